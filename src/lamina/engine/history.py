"""Which files of a directory each of its last commits has changed, as git tells."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

COMMITS = 200
_SECONDS = 20
_START = "\x01"


def changes(directory: Path, limit: int = COMMITS) -> list[frozenset[str]] | None:
    """Paths below `directory` for each of the last commits that touch it, the newest first.

    None where there is no git, no work tree, no commit, or a repository of somebody else's, which
    git refuses to read. Merges are left out. Nothing that the repository configures is run.
    """
    command = [
        *("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"),
        *("-c", "log.showSignature=false", "-c", "core.quotePath=false"),
        *("log", f"--max-count={limit}", "--no-merges", "--no-renames", "--no-ext-diff"),
        *("--no-textconv", "--no-color", "--no-mailmap", "--name-only", "--relative", "-z"),
        *(f"--format=tformat:{_START}", "--", "."),
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    commits = os.fsdecode(done.stdout).split(_START)[1:]
    return [frozenset(_paths(text)) for text in commits] or None


def _paths(text: str) -> list[str]:
    return [path for name in text.split("\0") if (path := name.lstrip("\n"))]
