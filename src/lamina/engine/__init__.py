"""The wiring room: `Engine` makes the nouns of one root and hands them to the verbs."""

from lamina.engine.engine import Engine, Settings

__all__ = ["Engine", "Settings"]
