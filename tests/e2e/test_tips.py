"""The slides' own Dockerfiles in examples/tips: found, mended, proved, and the gain measured."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIPS = ROOT / "examples/tips"
BASE = ROOT / "out/tips/debian-bookworm.tar"  # kept: it takes a minute to make

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif(os.geteuid() != 0, reason="RUN steps need root"),
    pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="mmdebstrap is not installed"),
]


class Shop:
    """A store with a Debian base, and copies of the examples."""

    def __init__(self, place: Path) -> None:
        self.place = place
        if not BASE.exists():
            BASE.parent.mkdir(parents=True, exist_ok=True)
            fresh = BASE.with_name(f"fresh-{os.getpid()}.tar")
            command = ["mmdebstrap", "--quiet", "--variant=minbase", "bookworm", str(fresh)]
            subprocess.run(command, check=True, timeout=600)
            fresh.rename(BASE)
        self.must("import", "-c", 'CMD ["bash"]', str(BASE), "debian:bookworm")

    def lamina(self, *args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lamina", "--root", str(self.place / "store"), *args]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)

    def must(self, *args: str) -> str:
        done = self.lamina(*args)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def copy(self, name: str) -> Path:
        return Path(shutil.copytree(TIPS / name, self.place / name))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    yield Shop(tmp_path_factory.mktemp("tips"))


def row(table: str, name: str) -> tuple[float, float]:
    """The two cells of a row, in bytes or seconds."""
    units = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "s": 1}
    line = next(line for line in table.splitlines() if line.startswith(name))
    (one, two) = re.findall(r"([0-9.]+) ?([kMG]?B|s)\b", line)
    return float(one[0]) * units[one[1]], float(two[0]) * units[two[1]]


def test_the_wrong_order(shop: Shop) -> None:
    place = shop.copy("order")
    shop.must("build", "-q", "--record-reads", "-t", "order", str(place))
    done = shop.lamina("check", "--format", "json", str(place))
    found = {each["code"]: each for each in json.loads(done.stdout)}
    assert "it opened src/requirements.txt only" in found["LM1002"]["hint"]
    measured = found["LM1002"]["measured"]
    assert measured["layerBytes"] > 100e6 and measured["seconds"] > 0
    assert found["LM1004"]["edits"]
    told = shop.must("check", "--fix", "--verify", "--no-fail", str(place))
    assert "the same image" in told
    assert "a line more in src/main.py" in told
    text = (place / "Dockerfile").read_text()
    order = ["COPY src/requirements.txt", "RUN apt-get", "COPY ./src /app", "CMD"]
    assert [text.index(each) for each in order] == sorted(text.index(each) for each in order)
    before, after = row(told, "to push after a source change")
    assert before > 50e6 and after < 10e3
    before, after = row(told, "to rebuild after a source change")
    assert after < before / 2
    shop.must("build", "-q", "-t", "order", str(place))
    assert shop.must("run", "--rm", "order") == "hello\n"


def test_the_lists_of_apt_removed_too_late(shop: Shop) -> None:
    place = shop.copy("cleaning")
    shop.must("build", "-q", str(place))
    done = shop.lamina("check", "--format", "json", str(place))
    found = {each["code"]: each for each in json.loads(done.stdout)}
    hidden = found["LM1101"]["measured"]["hidesBytes"]
    assert hidden > 20e6
    told = shop.must("check", "--fix", "--verify", "--no-fail", str(place))
    assert "the same image" in told
    before, after = row(told, "size")
    assert abs((before - after) - hidden) < 0.05 * hidden
    assert (place / "Dockerfile").read_text().count("\nRUN") == 1
