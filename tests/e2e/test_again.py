"""A build that changes nothing, typed again: it answers at once, and never wrongly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.engine.again import KIND
from lamina.store import Store

ROOTFS = Path(__file__).parents[2] / "../shared/images/busybox-musl-x86_64-rootfs.tar.gz"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="RUN steps need root"),
    pytest.mark.skipif(not ROOTFS.exists(), reason="../shared/images is not here"),
]
DOCKERFILE = """FROM busybox:musl AS made
ARG V=1
COPY conf /etc/conf
COPY src /app/src
COPY *.txt /texts/
COPY --from=extra file /extra
RUN --mount=type=bind,source=data,target=/data cat /data/d > /d
FROM busybox:musl
COPY --from=made /etc/conf /app /texts /extra /d /all/
"""
Done = subprocess.CompletedProcess[str]


class Shop:
    """A store with a base image, and a context to build."""

    def __init__(self, place: Path) -> None:
        self.root = place / "store"
        self.context = place / "context"
        self.flags = [f"--build-context=extra={place / 'extra'}", "-t", "built"]
        self.env = dict(os.environ)
        files = {
            "context/Dockerfile": DOCKERFILE,
            "context/.dockerignore": "src/ignored\n",
            "context/conf": "1",
            "context/src/a": "1",
            "context/src/deep/c": "1",
            "context/src/ignored": "1",
            "context/one.txt": "1",
            "context/data/d": "1",
            "extra/file": "1",
        }
        for name, text in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
        assert self.lamina("import", str(ROOTFS), "busybox:musl").returncode == 0
        assert self.lamina("import", "-c", "ENV OTHER=1", str(ROOTFS), "other").returncode == 0

    def lamina(self, *args: str) -> Done:
        command = [sys.executable, "-m", "lamina", "--root", str(self.root), *args]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=self.env)

    def build(self) -> Done:
        return self.lamina("build", "--progress=plain", *self.flags, str(self.context))

    def settle(self) -> Done:
        """Build until the answer is known."""
        self.build()
        return self.build()

    def known(self) -> list[int]:
        """When each answer was kept: anew by a whole build, and not by what is said again."""
        return [record.created for record in Store(self.root).records.items(KIND)]

    def forget(self) -> None:
        store = Store(self.root)
        for record in store.records.items(KIND):
            store.records.delete(KIND, record.key)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = Shop(tmp_path_factory.mktemp("again"))
    done = shop.settle()
    assert done.returncode == 0, done.stderr
    return shop


@pytest.fixture
def shop(first: Shop) -> Shop:
    return first


def test_what_was_built_is_said_again(shop: Shop) -> None:
    whole, kept = shop.settle(), shop.known()
    again = shop.build()
    assert (again.stdout, again.stderr) == (whole.stdout, whole.stderr)
    assert again.stderr.count("CACHED") == 6
    assert shop.known() == kept != []


def test_an_answer_is_the_last_build_of_all(shop: Shop, tmp_path: Path) -> None:
    shop.settle()
    (tmp_path / "Dockerfile").write_text("FROM busybox:musl\nLABEL a=1\n")
    shop.lamina("build", "-q", str(tmp_path))
    kept = shop.known()
    assert shop.build().returncode == 0
    assert shop.known() == kept
    assert "COPY *.txt" in shop.lamina("why").stdout


def written(name: str) -> Callable[[Shop], object]:
    return lambda shop: (shop.context / name).write_text("2")


def edited(before: str, after: str) -> Callable[[Shop], object]:
    path = "Dockerfile"
    return lambda shop: (shop.context / path).write_text(DOCKERFILE.replace(before, after))


def linked(shop: Shop) -> None:
    (shop.context / "src/a").unlink()
    (shop.context / "src/a").symlink_to("deep/c")


def set_in(name: str, value: str) -> Callable[[Shop], object]:
    return lambda shop: shop.env.__setitem__(name, value)


CHANGES: dict[str, Callable[[Shop], object]] = {
    "content": written("conf"),
    "content in a directory": written("src/deep/c"),
    "a new file in a directory": written("src/new"),
    "a new file that a wildcard finds": written("two.txt"),
    "a file that is ignored": written("src/ignored"),
    "a mounted file": written("data/d"),
    "a mode": lambda shop: (shop.context / "conf").chmod(0o600),
    "a file that is gone": lambda shop: (shop.context / "one.txt").unlink(),
    "a directory that is gone": lambda shop: shutil.rmtree(shop.context / "src/deep"),
    "a file that is a link": linked,
    "a file of another context": written("../extra/file"),
    "ignore rules": written(".dockerignore"),
    "ignore rules of the Dockerfile": lambda shop: (
        shop.context / "Dockerfile.dockerignore"
    ).write_text("src/a\n"),
    "ignore rules of another context": lambda shop: (
        shop.context / "../extra/.dockerignore"
    ).write_text("file\n"),
    "an instruction": edited("cat /data/d", "cat /data/*"),
    "a Dockerfile that is wrong": edited("FROM busybox:musl\n", "FORM busybox:musl\n"),
    "another base": lambda shop: shop.lamina("tag", "other", "busybox:musl"),
    "a tag that was taken away": lambda shop: shop.lamina("rmi", "built"),
    "a tag that was given away": lambda shop: shop.lamina("tag", "other", "built"),
    "a base that is gone": lambda shop: shop.lamina("rmi", "-f", "busybox:musl"),
    "the cache": lambda shop: shop.lamina("builder", "prune", "-f", "--all"),
    "a variable that counts": set_in("SOURCE_DATE_EPOCH", "7"),
    "a variable that counts for nothing": set_in("ANYTHING", "7"),
    "a flag": lambda shop: shop.flags.append("--build-arg=V=2"),
    "a store that is damaged": lambda shop: Store(shop.root).records.put(
        KIND, shop_line(shop), b"\1\0\0\0", now=1
    ),
}


def shop_line(shop: Shop) -> str:
    (record,) = Store(shop.root).records.items(KIND)
    return record.key


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_is_seen(change: Callable[[Shop], object], tmp_path: Path) -> None:
    """What is answered is what a build that remembers no answer says."""
    shop = Shop(tmp_path)
    assert shop.settle().returncode == 0
    assert shop.known()
    change(shop)
    answer = shop.build()
    shop.forget()
    whole = shop.build()
    assert (answer.returncode, answer.stdout) == (whole.returncode, whole.stdout)


@pytest.mark.parametrize(
    "flags",
    [["--no-cache"], ["--iidfile=/dev/null"], ["--progress=rawjson"], ["--explain"]],
    ids=lambda flags: flags[0],
)
def test_what_is_more_than_an_answer_is_done_each_time(flags: list[str], shop: Shop) -> None:
    shop.forget()
    before, shop.flags = shop.flags, [*shop.flags, *flags]
    shop.settle()
    shop.flags = before
    assert shop.known() == []
