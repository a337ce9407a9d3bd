"""COPY of many files, or of a large one: written into the layer, and into no tree."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from tests.e2e.test_build import ROOTFS, Shop

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="RUN steps need root"),
    pytest.mark.skipif(not ROOTFS.exists(), reason="../shared/images is not here"),
]
DOCKERFILE = """FROM busybox:musl AS made
WORKDIR /app
COPY . .
RUN rm many/7/7 && echo more >> many/8/8 && ls many | wc -l > /count
FROM busybox:musl
COPY --from=made /app /srv/app
COPY --from=made /count /
"""
SHOW = (
    "cd /srv/app && find . | sort | xargs stat -c '%n %A %u %g' | sha256sum && cat many/8/8 /count"
)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path)
    for number in range(1_200):
        file = shop.context / "many" / str(number % 20) / str(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(number))
    for path in (shop.context, *shop.context.rglob("*")):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    return shop


def _layers(shop: Shop, name: str) -> str:
    return shop.lamina("inspect", "-f", "{{json .RootFS.Layers}}", name).stdout


def test_layers_are_those_of_copied_trees(shop: Shop) -> None:
    env = {"SOURCE_DATE_EPOCH": "1700000000"}
    shop.write(DOCKERFILE)
    done = shop.build("-t", "one", env=env)
    assert done.returncode == 0, done.stderr
    again = shop.build("-t", "one", env=env)
    assert (again.stdout, again.stderr.count("DONE")) == (done.stdout, 0)
    shown = shop.lamina("run", "--rm", "--network=none", "one", "sh", "-c", SHOW)
    assert shown.stdout.splitlines()[1:] == ["8more", "20"], shown.stderr
    layers = _layers(shop, "one")
    assert shop.lamina("builder", "prune", "-af").returncode == 0
    assert shop.lamina("rmi", "one").returncode == 0
    (shop.root / "snapshots").rename(shop.place / "before")  # else that would be gone on with
    env |= {"LAMINA_SNAPSHOTTER": "overlay"}
    done = shop.build("-t", "other", env=env)
    assert done.returncode == 0, done.stderr
    assert _layers(shop, "other") == layers
    other = shop.lamina("run", "--rm", "--network=none", "other", "sh", "-c", SHOW, env=env)
    assert other.stdout == shown.stdout


def test_a_layer_that_cannot_be_drawn_is_unpacked_when_it_is_needed(shop: Shop) -> None:
    year_2255 = 9_000_000_000
    os.utime(shop.context / "many/3/3", (year_2255, year_2255))
    shop.write("FROM busybox:musl\nCOPY many /many\nRUN stat -c %Y /many/3/3 > /when\n")
    done = shop.build("-t", "late")
    assert done.returncode == 0, done.stderr
    run = shop.lamina("run", "--rm", "--network=none", "late", "cat", "/when", "/many/5/5")
    assert run.stdout == f"{year_2255}\n5", run.stderr


def test_a_context_that_changes_meanwhile_is_refused_and_nothing_stays(shop: Shop) -> None:
    large, is_over = shop.context / "many" / "large", threading.Event()
    large.write_bytes(bytes(64 << 20))
    shop.write("FROM busybox:musl\nCOPY many /many\n")

    def go_on() -> None:
        with large.open("ab", buffering=0) as out:
            while not is_over.wait(0.001):
                out.write(b"x")

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        done = shop.build()
    finally:
        is_over.set()
        writer.join()
    assert done.returncode == 1
    assert 'many/large" changed' in done.stderr
    assert not list((shop.root / "ingest").iterdir())
    assert not list((shop.root / "snapshots").glob("**/drafts/*"))
    assert shop.build("-t", "after").returncode == 0
