"""`lamina why` as typed: whatever changes between two builds, it is named as the cause."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOTFS = Path(__file__).parents[2] / "../shared/images/busybox-musl-x86_64-rootfs.tar.gz"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="RUN steps need root"),
    pytest.mark.skipif(not ROOTFS.exists(), reason="../shared/images is not here"),
]

DOCKERFILE = """FROM busybox:musl
ARG V=1
ENV E=1
COPY conf /etc/conf
COPY src /app/src
RUN echo $V > /v
WORKDIR /w
COPY --chmod=644 one two /files/
RUN --mount=type=bind,source=data,target=/data cat /data/d > /d
USER 1:1
RUN id > /tmp/id
CMD cat /v
"""
CONF, SRC, ECHO, WORKDIR, FILES, MOUNT, ID = range(1, 8)


class Shop:
    """A store, and a context that begins anew for each mutation."""

    def __init__(self, place: Path) -> None:
        self.root = place / "store"
        self.context = place / "context"
        assert self.lamina("import", str(ROOTFS), "busybox:musl").returncode == 0
        assert self.lamina("import", "-c", "ENV OTHER=1", str(ROOTFS), "other").returncode == 0

    def lamina(self, *args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lamina", "--root", str(self.root), *args]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def begin(self) -> None:
        shutil.rmtree(self.context, ignore_errors=True)
        files = {
            "Dockerfile": DOCKERFILE,
            ".dockerignore": "src/ignored\n",
            "conf": "1",
            "src/a": "1",
            "src/b": "1",
            "src/deep/c": "1",
            "src/ignored": "1",
            "one": "1",
            "two": "1",
            "data/d": "1",
        }
        for name, text in files.items():
            path = self.context / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o644)
        (self.context / "src/link").symlink_to("a")

    def edit(self, before: str, after: str) -> None:
        path = self.context / "Dockerfile"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def build(self, *flags: str) -> None:
        done = self.lamina("build", "-q", *flags, str(self.context))
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    yield Shop(tmp_path_factory.mktemp("why"))


def edited(before: str, after: str) -> Callable[[Shop], None]:
    return lambda shop: shop.edit(before, after)


def written(name: str, text: str = "2") -> Callable[[Shop], None]:
    def write(shop: Shop) -> None:
        (shop.context / name).write_text(text)

    return write


def chmodded(name: str, mode: int) -> Callable[[Shop], None]:
    return lambda shop: (shop.context / name).chmod(mode)


def removed(name: str) -> Callable[[Shop], None]:
    return lambda shop: (shop.context / name).unlink()


def relinked(name: str, target: str) -> Callable[[Shop], None]:
    def link(shop: Shop) -> None:
        (shop.context / name).unlink()
        (shop.context / name).symlink_to(target)

    return link


def renamed(name: str, other: str) -> Callable[[Shop], None]:
    def rename(shop: Shop) -> None:
        (shop.context / name).rename(shop.context / other)

    return rename


def made(name: str) -> Callable[[Shop], None]:
    return lambda shop: (shop.context / name).mkdir()


MUTATIONS: dict[str, tuple[Callable[[Shop], None], int, str]] = {
    "a file's content": (written("conf"), CONF, "conf changed"),
    "a file's mode": (chmodded("conf", 0o600), CONF, "conf has mode 0600, had 0644"),
    "content in a directory": (written("src/a"), SRC, "src/a changed"),
    "mode in a directory": (chmodded("src/a", 0o755), SRC, "src/a has mode 0755, had 0644"),
    "content deep down": (written("src/deep/c"), SRC, "src/deep/c changed"),
    "a directory's mode": (chmodded("src/deep", 0o700), SRC, "src/deep has mode 0700, had 0755"),
    "a new file": (written("src/new"), SRC, "src/new was added"),
    "a file that is gone": (removed("src/b"), SRC, "src/b was removed"),
    "a new directory": (made("src/empty"), SRC, "src/empty was added"),
    "a file that is a link now": (relinked("src/a", "b"), SRC, "src/a changed"),
    "a link's target": (relinked("src/link", "b"), SRC, "src/link changed"),
    "one of several files": (written("two"), FILES, "two changed"),
    "a file that is only mounted": (written("data/d"), MOUNT, "mounted on /data changed"),
    "an ignore line more": (
        written(".dockerignore", "src/a\nsrc/ignored"),
        SRC,
        "src/a was removed",
    ),
    "an ignore line less": (written(".dockerignore", ""), SRC, "src/ignored was added"),
    "an argument's default": (edited("V=1", "V=2"), ECHO, "the variable V changed from 1 to 2"),
    "a variable": (edited("E=1", "E=2"), ECHO, "the variable E changed from 1 to 2"),
    "a variable more": (edited("E=1", "E=1 F=3"), ECHO, "the variable F was added (3)"),
    "a variable less": (edited("ENV E=1\n", ""), ECHO, "the variable E was removed (was 1)"),
    "a command": (
        edited("RUN echo $V", "RUN echo -n $V"),
        ECHO,
        "the instruction changed (was: RUN echo $V > /v)",
    ),
    "a destination": (
        edited("/etc/conf", "/etc/config"),
        CONF,
        "the instruction changed (was: COPY conf /etc/conf)",
    ),
    "a flag": (
        edited("--chmod=644", "--chmod=600"),
        FILES,
        "the instruction changed (was: COPY --chmod=644 one two /files/)",
    ),
    "a directory to work in": (
        edited("WORKDIR /w", "WORKDIR /x"),
        WORKDIR,
        "the instruction changed (was: WORKDIR /w)",
    ),
    "a user": (edited("USER 1:1", "USER 2:2"), ID, "user changed from 1:1 to 2:2"),
    "an instruction more": (
        edited("WORKDIR /w", "RUN true\nWORKDIR /w"),
        WORKDIR,
        "the instruction changed (was: WORKDIR /w)",
    ),
    "an instruction less": (
        edited("RUN echo $V > /v\n", ""),
        ECHO,
        "the instruction changed (was: RUN echo $V > /v)",
    ),
    # Its tree is the same, so that what is copied into it comes from the cache all the same.
    "another base": (
        edited("FROM busybox:musl", "FROM other"),
        ECHO,
        "the variable OTHER was added (1)",
    ),
}
FLAGS: dict[str, tuple[list[str], int, str]] = {
    "an argument": (["--build-arg", "V=7"], ECHO, "the variable V changed from 1 to 7"),
    "a network": (["--network=none"], ECHO, "network changed from default to none"),
    "a host": (["--add-host", "a:1.2.3.4"], ECHO, '--add-host was added ([["a", "1.2.3.4"]])'),
    "a limit": (["--ulimit", "nofile=99:99"], ECHO, "--ulimit was added (nofile=99:99)"),
    "memory to share": (["--shm-size", "1m"], ECHO, "--shm-size was added (1048576)"),
    "a time": (
        ["--build-arg", "SOURCE_DATE_EPOCH=7"],
        CONF,
        "SOURCE_DATE_EPOCH was added (7)",
    ),
    "no cache": (["--no-cache"], CONF, "the cache was turned off for it"),
}


def first_miss(shop: Shop) -> tuple[int, str]:
    """The first step of the last build that was not cached, and why."""
    report = json.loads(shop.lamina("why", "--format=json").stdout)
    for number, step in enumerate(report["steps"], 1):
        if step["state"] != "cached":
            return number, step["reason"]
    return 0, ""


@pytest.mark.parametrize("name", MUTATIONS)
def test_what_was_changed_is_the_cause(shop: Shop, name: str) -> None:
    mutate, step, reason = MUTATIONS[name]
    shop.begin()
    shop.build()
    mutate(shop)
    shop.build()
    assert first_miss(shop) == (step, reason)


@pytest.mark.parametrize("name", FLAGS)
def test_what_was_asked_differently_is_the_cause(shop: Shop, name: str) -> None:
    flags, step, reason = FLAGS[name]
    shop.begin()
    shop.build()
    shop.build(*flags)
    assert first_miss(shop) == (step, reason)


def test_a_base_that_has_changed_under_its_name_is_the_cause(shop: Shop, tmp_path: Path) -> None:
    shop.begin()
    shop.build()
    other = tmp_path / "other.tar"
    with tarfile.open(ROOTFS) as old, tarfile.open(other, "w") as new:
        for member in old:
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
        new.addfile(tarfile.TarInfo("one-more"))
    assert shop.lamina("import", str(other), "busybox:musl").returncode == 0
    shop.build()
    assert first_miss(shop) == (CONF, "the base image busybox:musl changed")


def test_every_file_that_differs_is_named(shop: Shop) -> None:
    shop.begin()
    shop.build()
    renamed("src/a", "src/z")(shop)
    written("src/b")(shop)
    shop.build()
    step, reason = first_miss(shop)
    assert (step, reason.partition(" (")[2]) == (SRC, "and 2 more)")
    said = shop.lamina("why", "2").stdout.splitlines()
    assert {line.strip() for line in said if line.startswith("    ")} == {
        "src/a was removed",
        "src/b changed",
        "src/z was added",
    }


def test_a_time_alone_is_no_cause(shop: Shop) -> None:
    shop.begin()
    shop.build()
    os.utime(shop.context / "conf", (1, 1))
    shop.build()
    assert first_miss(shop) == (0, "")


def test_a_layer_that_was_pruned_is_said_to_be_gone(shop: Shop) -> None:
    shop.begin()
    shop.build()
    report = json.loads(shop.lamina("why", "--format=json").stdout)
    layer = report["steps"][ID - 1]["layer"].partition(":")[2]
    (shop.root / "blobs/sha256" / layer).unlink()
    (shop.context / "Dockerfile").touch()  # on a slow machine the last answer would be given again
    shop.build()
    assert first_miss(shop) == (ID, "its layer is not in the cache any more")


def test_later_steps_lead_back_to_the_first_cause(shop: Shop) -> None:
    shop.begin()
    shop.build()
    written("src/a")(shop)
    shop.build()
    said = shop.lamina(
        "why", f"line:{DOCKERFILE.splitlines().index('RUN id > /tmp/id') + 1}"
    ).stdout
    assert "in the end: [3/8] COPY src /app/src: src/a changed" in said
    assert "rebuilt with it: steps 3, 4, 5, 6, 7" in shop.lamina("why").stdout


@pytest.mark.parametrize(
    ("path", "steps"),
    [("src/deep/c", [2, 3, 4, 5, 6, 7]), ("two", [5, 6, 7]), ("data", [6, 7]), ("src/ignored", [])],
)
def test_what_an_edit_would_rebuild_is_foreseen(shop: Shop, path: str, steps: list[int]) -> None:
    shop.begin()
    shop.build()
    said = shop.lamina("why", "--next", path).stdout.splitlines()
    assert [int(line.split()[0]) for line in said[1:-1]] == steps
    if not steps:
        assert said == [f"nothing: no step reads {path}"]


def test_a_failed_build_is_explained_too(shop: Shop) -> None:
    shop.begin()
    shop.edit("RUN id > /tmp/id", "RUN false")
    assert shop.lamina("build", "-q", str(shop.context)).returncode == 1
    assert " failed " in shop.lamina("why").stdout


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("src/ignored", 'src/ignored: ignored by .dockerignore line 1: "src/ignored"'),
        ("src/a", "src/a: sent: no line of .dockerignore matches it"),
    ],
)
def test_the_ignore_line_that_decides_is_named(shop: Shop, path: str, said: str) -> None:
    shop.begin()
    done = shop.lamina("ignore", "explain", "--context", str(shop.context), path)
    assert done.stdout == said + "\n"


def test_the_context_is_weighed(shop: Shop) -> None:
    shop.begin()
    (shop.context / "src/deep/large").write_bytes(bytes(2000))
    said = shop.lamina("context", str(shop.context)).stdout.splitlines()
    assert said[2].split() == ["2kB", "5", "src"]
    assert said[3].split() == ["2kB", "2", "src/deep"]


def test_blame_knows_the_line_and_the_seconds(shop: Shop) -> None:
    shop.begin()
    done = shop.lamina("build", "-t", "blamed", str(shop.context))
    assert done.returncode == 0
    said = shop.lamina("blame", "blamed", "/app/src/a").stdout.splitlines()
    words = said[1].split()
    assert (words[1], words[4]) == ("added", "5")
    assert words[6:] == ["COPY", "src", "/app/src"]
