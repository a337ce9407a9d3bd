"""A Docker daemon for a measurement, on a socket and in a directory of its own.

Debian's, or the one that DOCKERD names, with the client that DOCKER names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Debian's client, for it builds with BuildKit without a plugin.
CLIENT = os.environ.get("DOCKER", "/usr/bin/docker")
DAEMON = os.environ.get("DOCKERD", "/usr/sbin/dockerd")


@contextmanager
def daemon(place: Path) -> Iterator[list[str]]:
    """The words that a command to the daemon begins with; OSError if there is none here."""
    for program in (CLIENT, DAEMON):
        if shutil.which(program) is None:
            raise OSError(f"{program} is not installed")
    at = place / "docker"
    at.mkdir()
    socket = f"unix://{at}/socket"
    command = [DAEMON, "-H", socket, "--data-root", f"{at}/data", "--exec-root", f"{at}/exec"]
    command += ["--pidfile", f"{at}/pid", "--bridge", "none", "--iptables=false"]
    words = [CLIENT, "--config", str(at), "-H", socket]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(words, process)
            yield words
        finally:
            process.terminate()
            process.wait()
            for line in Path("/proc/self/mountinfo").read_text().splitlines():
                if (point := line.split()[4]).startswith(f"{at}/"):
                    subprocess.run(["umount", "-l", point], check=False)


def _wait(words: list[str], process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        said = subprocess.run([*words, "info"], capture_output=True, check=False)
        if said.returncode == 0 and b"ERROR" not in said.stdout:
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise OSError("dockerd does not start here")


def environment() -> dict[str, str]:
    """Such that builds are BuildKit's."""
    return {**os.environ, "DOCKER_BUILDKIT": "1"}
