"""Repositories on disk: who may see which blob, and what is kept; no HTTP."""

from __future__ import annotations

from lamina.registry.local import LocalRegistry
from lamina.registry.registry import GRACE, Registry, open_registry
from lamina.registry.repository import Repository

__all__ = ["GRACE", "LocalRegistry", "Registry", "Repository", "open_registry"]
