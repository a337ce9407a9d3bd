"""Runs every question of this folder, or the one that is named, with the flags after it."""

from __future__ import annotations

import importlib
import platform
import sys
from pathlib import Path


def main(words: list[str]) -> None:
    """One question after the other; each prints its own table."""
    print(f"# Linux {platform.release()}, {platform.machine()}, Python {platform.python_version()}")
    found = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    for name in words[:1] or found:
        module = importlib.import_module(f"bench.{name}")
        if hasattr(module, "main"):
            print(f"\n## {name}: {(module.__doc__ or '').strip().splitlines()[0]}", flush=True)
            sys.argv = [name, *words[1:]]
            module.main()


if __name__ == "__main__":
    main(sys.argv[1:])
