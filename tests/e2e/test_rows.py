"""Commands in a row: each begins before the layer that it runs on has a name."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests.e2e.test_build import ROOTFS, Shop

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="RUN steps need root"),
    pytest.mark.skipif(not ROOTFS.exists(), reason="../shared/images is not here"),
]
ROW = """FROM busybox:musl
COPY a /a
RUN mkdir /d && cp /a /d/one && echo gone > /d/gone
RUN rm /d/gone && mv /d/one /d/two && ln /d/two /three
WORKDIR /work
RUN chmod 700 . && rm -r /d && mkdir /d && echo last > /d/last
"""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.mark.parametrize("way", ["overlay", "copying", ""], ids=["overlay", "copying", "default"])
def test_the_layers_are_those_that_come_of_waiting(shop: Shop, way: str) -> None:
    env = {"SOURCE_DATE_EPOCH": "1700000000", **({"LAMINA_SNAPSHOTTER": way} if way else {})}
    shop.write(ROW, a="1")
    layers, trees = set(), set()
    for jobs in ("--jobs=2", "--jobs=1"):
        done = shop.build("-t", "made", "--no-cache", jobs, env=env)
        assert done.returncode == 0, done.stderr
        layers.add(shop.lamina("inspect", "-f", "{{json .RootFS.Layers}}", "made").stdout)
        show = ["run", "--rm", "made", "ls", "-lR", "/d", "/three", "/work"]
        tree = shop.lamina(*show, env=env)
        assert tree.returncode == 0, tree.stderr
        trees.add(tree.stdout)
        shop.lamina("rmi", "made")
        assert shop.lamina("builder", "prune", "-af").returncode == 0
    assert len(layers) == len(trees) == 1
    assert layers.pop().count("sha256:") == 6
    assert "last" in tree.stdout
    assert "gone" not in tree.stdout


def test_a_command_begins_beside_the_packing_of_the_layer_below(shop: Shop) -> None:
    shop.write(
        "FROM busybox:musl\n"
        "RUN dd if=/dev/urandom of=/large bs=1M count=200 2>/dev/null\n"
        "RUN true\n"
    )
    told = shop.build("--no-cache").stderr
    assert told.index("#2 [3/3] RUN") < told.index("#1 DONE") < told.index("#2 DONE")
    told = shop.build("--no-cache", "--jobs=1").stderr
    assert told.index("#1 DONE") < told.index("#2 [3/3] RUN") < told.index("#2 DONE")


def test_what_was_done_before_a_failure_is_kept(shop: Shop) -> None:
    shop.write("FROM busybox:musl\nRUN echo 1 > /one\nRUN echo 2 > /two\nRUN cat /one /two /3\n")
    failed = shop.build()
    assert failed.returncode == 1
    assert failed.stderr.count("DONE") == 2
    assert "can't open '/3'" in failed.stderr
    shop.write("FROM busybox:musl\nRUN echo 1 > /one\nRUN echo 2 > /two\nRUN cat /one /two\n")
    mended = shop.build()
    assert mended.returncode == 0, mended.stderr
    assert mended.stderr.count("CACHED") == 2
    assert not list((shop.root / "snapshots").glob("*/drafts/*"))


def test_a_layer_that_cannot_be_packed_ends_the_command_after_it(shop: Shop) -> None:
    shop.write("FROM busybox:musl\nRUN echo 1 > /one\nRUN touch /.wh.x\nRUN sleep 70.5\n")
    began = time.monotonic()
    failed = shop.build()
    assert failed.returncode == 1
    assert time.monotonic() - began < 30
    assert '".wh.x" cannot be in a layer' in failed.stderr
    assert "Dockerfile:3" in failed.stderr
    assert shop.build().stderr.count("CACHED") == 1
    assert not list((shop.root / "snapshots").glob("*/drafts/*"))


def test_a_command_that_may_be_known_waits_for_the_name(shop: Shop) -> None:
    shop.write("FROM busybox:musl\nRUN true\nRUN date > /made\n")
    shop.build()
    shop.write("FROM busybox:musl\nRUN :\nRUN date > /made\n")
    told = shop.build().stderr
    assert (
        told.count("CACHED") == 1
    )  # the second one, for the first changes nothing in this way too
    assert told.index("DONE") < told.index("CACHED")


def test_two_stages_have_rows_beside_each_other(shop: Shop) -> None:
    shop.write(
        "FROM busybox:musl AS one\nRUN echo 1 > /1\nRUN echo 2 >> /1\n"
        "FROM busybox:musl AS two\nRUN echo 3 > /3\nRUN echo 4 >> /3\n"
        "FROM one AS three\nRUN echo 5 > /5\n"
        "FROM scratch\nCOPY --from=one /1 /\nCOPY --from=two /3 /\nCOPY --from=three /5 /\n"
    )
    done = shop.build("-o", f"type=local,dest={shop.place}/out")
    assert done.returncode == 0, done.stderr
    found = {path.name: path.read_text().split() for path in (shop.place / "out").iterdir()}
    assert found == {"1": ["1", "2"], "3": ["3", "4"], "5": ["5"]}


def test_after_a_changed_copy_no_command_waits_and_what_was_is_known_again(shop: Shop) -> None:
    make = "dd if=/dev/urandom of=/large bs=1M count=100 2>/dev/null"
    shop.write(f"FROM busybox:musl\nCOPY a /a\nRUN {make}\nRUN cat /a\nRUN echo end\n", a="1")
    first = shop.build()
    shop.write((shop.context / "Dockerfile").read_text(), a="2")
    told = shop.build().stderr
    assert told.index("#1 DONE") < told.index("#3 [4/5] RUN") < told.index("#2 DONE")
    shop.write((shop.context / "Dockerfile").read_text(), a="1")
    again = shop.build()
    assert again.stderr.count("CACHED") == 4
    assert again.stdout == first.stdout


def test_a_command_on_a_tree_that_it_was_run_above_before_waits(shop: Shop) -> None:
    shop.write("FROM busybox:musl\nRUN echo 1 > /v\nRUN true\nRUN date > /made\n")
    shop.build()
    shop.write("FROM busybox:musl\nRUN echo 2 > /v\nRUN true\nRUN date > /made\n")
    assert shop.build().stderr.count("CACHED") == 0
    shop.write("FROM busybox:musl\nRUN echo  1 > /v\nRUN true\nRUN date > /made\n")
    told = shop.build().stderr
    assert told.index("#1 DONE") < told.index("#2 [3/4] RUN")
