"""What a command takes: seconds, and the memory of its largest process.

The kernel counts what a process held before it became the command, too, so the command is started
by a small interpreter and not by the bench, which may hold a gigabyte.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

from bench.docker import environment

_START = """
import os, sys, time
begun = time.perf_counter()
words = sys.argv[1:]
to_errors = [(os.POSIX_SPAWN_DUP2, 2, 1)]
pid = os.posix_spawnp(words[0], words, os.environ, file_actions=to_errors)
_, status, used = os.wait4(pid, 0)
print(time.perf_counter() - begun, used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Cost(NamedTuple):
    """What a command took, or several."""

    seconds: float
    memory: float  # MiB of its largest process; of docker that is the client, and not its daemon


def spent(*commands: Sequence[str]) -> Cost:
    """All commands, one after the other; RuntimeError if one fails."""
    costs = [_spent(command) for command in commands]
    return Cost(sum(cost.seconds for cost in costs), max(cost.memory for cost in costs))


def _spent(command: Sequence[str]) -> Cost:
    with tempfile.TemporaryFile() as said:
        starter = [sys.executable, "-I", "-S", "-c", _START, *command]
        done = subprocess.run(
            starter, stdout=subprocess.PIPE, stderr=said, env=environment(), check=False
        )
        if done.returncode:
            said.seek(0)
            words = said.read().decode("utf-8", "replace").strip()
            raise RuntimeError(f"{' '.join(command)}: {words}")
    seconds, memory = done.stdout.split()[-2:]
    return Cost(float(seconds), int(memory) / 1024)
