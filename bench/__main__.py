"""Runs every question of this folder, or the one that is named, with the flags after it.

All of them together are also written to docs/benchmarks.md, with the machine and the versions.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs/benchmarks.md"
PEERS = ("podman", "buildah", "skopeo", "umoci", "crun", "runc", "docker-registry", "dockerd")


def ask(name: str, flags: list[str]) -> str:
    """What one question prints, which is shown on the way."""
    command = [sys.executable, "-u", "-c", f"import bench.{name} as one; one.main()", *flags]
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            said.append(line)
    return "".join(said)


def title(name: str) -> str:
    """The first line of a question's own words."""
    return (HERE / f"{name}.py").read_text().partition('"""')[2].partition("\n")[0]


def questions() -> list[str]:
    """The modules that can be asked."""
    return sorted(path.stem for path in HERE.glob("[a-z]*.py") if "def main(" in path.read_text())


def page(answers: dict[str, str]) -> str:
    """All answers, and what they were measured on."""
    versions = []
    for name in PEERS:
        if shutil.which(name):
            said = subprocess.run([name, "--version"], capture_output=True, text=True, check=False)
            versions.append(" ".join(said.stdout.split("\n")[0].split()[:4]).rstrip(","))
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`: each table is one run, tools in turn, medians.",
        "A ratio is how many times better Lamina is, or how many times longer the other takes.",
        "",
        f"Linux {platform.release()}, {platform.machine()}, {os.cpu_count()} cores,"
        f" Python {platform.python_version()}; {'; '.join(versions)}.",
    ]
    for name, said in answers.items():
        lines += ["", f"## {title(name)}", "", f"`python -m bench {name}`", ""]
        lines += ["```", said.strip(), "```"]
    return "\n".join(lines) + "\n"


def main(words: list[str]) -> None:
    """Ask, and print; write the page when all were asked."""
    if words:
        print(f"## {words[0]}: {title(words[0])}", flush=True)
        ask(words[0], words[1:])
        return
    answers = {}
    for name in questions():
        print(f"\n## {name}: {title(name)}", flush=True)
        answers[name] = ask(name, [])
    PAGE.write_text(page(answers))


if __name__ == "__main__":
    main(sys.argv[1:])
