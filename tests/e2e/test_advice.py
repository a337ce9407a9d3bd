"""`lamina check` beside a build that was: what findings cost, and fixes that are proved."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOTFS = Path(__file__).parents[2] / "../shared/images/busybox-musl-x86_64-rootfs.tar.gz"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="RUN steps need root"),
    pytest.mark.skipif(not ROOTFS.exists(), reason="../shared/images is not here"),
]

# Programs that do what their names promise, as far as a tree shows it.
APT = """#!/bin/sh
set -e
for word; do case $word in
update) mkdir -p /var/lib/apt/lists; dd if=/dev/urandom of=/var/lib/apt/lists/i bs=1M count=4;;
install) test -e /var/lib/apt/lists/i; mkdir -p /usr/share/pkg /var/log/apt
  i=0; while [ $i -lt 60000 ]; do i=$((i + 1)); done
  echo done > /usr/share/pkg/done; cat /proc/sys/kernel/random/uuid >> /var/log/apt/history.log
  mkdir -p /var/lib/dpkg
  printf 'Package: pkg\\nStatus: install ok installed\\nVersion: 1-2\\n' > /var/lib/dpkg/status;;
esac; done 2>/dev/null
"""
NPM = """#!/bin/sh
set -e
mkdir -p node_modules
cat package.json package-lock.json > node_modules/installed
if [ -e hooks.js ]; then cat hooks.js > node_modules/hooked; fi
"""
DOCKERFILE = """FROM tools:1
CMD ["cat", "/app/main.js"]
WORKDIR /app
COPY . .
RUN apt-get update && apt-get install -y --no-install-recommends pkg
RUN rm -rf /var/lib/apt/lists/*
RUN npm ci
"""


class Shop:
    """A store with a base image, and a context in a work tree of git."""

    def __init__(self, place: Path) -> None:
        self.root = place / "store"
        self.context = place / "context"
        base = place / "base"
        base.mkdir()
        for name, text in (("apt-get", APT), ("npm", NPM)):
            (base / name).write_text(text)
            (base / name).chmod(0o755)
        (base / "Dockerfile").write_text("FROM busybox:musl\nCOPY apt-get npm /usr/bin/\n")
        self.must("import", str(ROOTFS), "busybox:musl")
        self.must("build", "-q", "-t", "tools:1", str(base))
        self.begin()

    def lamina(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lamina", "--root", str(self.root), *args]
        env = {**os.environ, **environment}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    def must(self, *args: str) -> str:
        done = self.lamina(*args)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def begin(self) -> None:
        self.context.mkdir()
        (self.context / "package.json").write_text("{}\n")
        (self.context / "package-lock.json").write_text("{}\n")
        (self.context / "main.js").write_text("1\n")
        (self.context / ".dockerignore").write_text(".git\nDockerfile\n")
        self.write(DOCKERFILE)
        self.git("init", "-q")
        for number in range(4):
            (self.context / "main.js").write_text(f"{number}\n")
            if number == 2:
                (self.context / "package.json").write_text('{"name": "x"}\n')
            self.git("add", "-A")
            self.git("commit", "-qm", str(number))

    def write(self, text: str) -> None:
        (self.context / "Dockerfile").write_text(text)

    def text(self) -> str:
        return (self.context / "Dockerfile").read_text()

    def git(self, *args: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *args], cwd=self.context, check=True, capture_output=True)

    def findings(self, *flags: str) -> dict[str, dict[str, Any]]:
        done = self.lamina("check", "--format", "json", *flags, str(self.context))
        return {each["code"]: each for each in json.loads(done.stdout)}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    yield Shop(tmp_path)


def test_findings_carry_what_was_measured(shop: Shop) -> None:
    assert all(each["measured"] is None for each in shop.findings().values())
    shop.must("build", "-q", "-t", "app", str(shop.context))
    found = shop.findings()
    late = found["LM1101"]["measured"]
    assert 4 << 20 <= late["hidesBytes"] < 5 << 20
    assert late["layerBytes"] < 100_000 < late["layerBytes"] + late["hidesBytes"]
    order = found["LM1001"]["measured"]
    assert order["hiddenBytes"] == late["hidesBytes"]
    assert order["pullBytes"] > order["layerBytes"] > 4 << 20
    assert (order["commits"], order["rebuiltByCommits"]) == (4, 4)
    assert order["secondsPerCommit"] > order["seconds"] > 0
    # The first commit makes the packages' lists too, so the RUN is done for it, and else never.
    assert order["secondsPerCommitMended"] < order["secondsPerCommit"] - order["seconds"] / 2
    told = shop.lamina("check", str(shop.context)).stdout.splitlines()[-1]
    assert "s to rebuild per commit" in told and "(over the last 4 commits)" in told
    split = found["LM1002"]
    assert split["edits"]
    assert found["DL3008"]["edits"][0]["text"] == "=1-2"
    shop.write(DOCKERFILE + "RUN true\n")
    shop.must("build", "-q", str(shop.context))
    named = shop.findings("--image", "app")["LM1101"]["measured"]
    assert named["hidesBytes"] == late["hidesBytes"]
    assert "commits" not in shop.findings("--git=false")["LM1101"]["measured"]


def test_a_fix_that_is_proved_is_written(shop: Shop) -> None:
    shop.must("build", "-q", str(shop.context))
    before = shop.must("why", "--format", "json")
    done = shop.lamina("check", "--fix", "--verify", "--no-fail", str(shop.context))
    assert done.returncode == 0, done.stderr
    assert shop.text() == (
        "FROM tools:1\n"
        "WORKDIR /app\n"
        "RUN apt-get update && apt-get install -y --no-install-recommends pkg=1-2"
        " \\\n    && rm -rf /var/lib/apt/lists/*\n"
        "COPY package.json package-lock.json ./\n"
        "RUN npm ci\n"
        "COPY . .\n"
        'CMD ["cat", "/app/main.js"]\n'
    )
    assert "the same image" in done.stdout
    assert "/var/log/apt/history.log (changed): logs tell when they were written" in done.stdout
    assert "the source change: a line more in main.js" in done.stdout
    assert (shop.context / "main.js").read_text() == "3\n"
    assert shop.must("why", "--format", "json") == before
    assert not [name for name in os.listdir(shop.root / "build") if "context" in name]


def test_a_fix_that_changes_the_image_is_not_written(shop: Shop) -> None:
    shop.write("FROM tools:1\nMAINTAINER me\nRUN apt-get update\n")
    done = shop.lamina("check", "--fix", "--verify", str(shop.context))
    assert done.returncode == 1
    assert "it makes another image; nothing is written" in done.stderr
    assert "org.opencontainers.image.authors" in done.stderr
    assert "MAINTAINER" in shop.text()
    shop.write("FROM tools:1\nCOPY . /app\nRUN cat /app/absent\nRUN apt-get update\n")
    done = shop.lamina("check", "--fix", "--verify", str(shop.context))
    assert done.returncode != 0
    assert "rm -rf" not in shop.text()


def test_verify_without_fix_is_refused(shop: Shop) -> None:
    done = shop.lamina("check", "--verify", str(shop.context))
    assert done.returncode != 0
    assert "give both" in done.stderr


def test_what_a_run_reads_is_recorded_and_used(shop: Shop) -> None:
    shop.must("build", "-q", str(shop.context))
    shop.must("build", "-q", "--record-reads", str(shop.context))
    steps = json.loads(shop.must("why", "--format", "json"))["steps"]
    reads = {step["label"].partition("] ")[2]: step["reads"] for step in steps}
    assert reads["RUN npm ci"] == ["package-lock.json", "package.json"]
    assert reads["RUN rm -rf /var/lib/apt/lists/*"] == []
    assert reads["COPY . ."] is None
    shop.must("build", "-q", str(shop.context))
    found = shop.findings()["LM1002"]
    assert "(recorded: it opened package-lock.json, package.json only)" in found["hint"]
    assert found["measured"]["recordedReads"] == ["package-lock.json", "package.json"]
    (shop.context / "hooks.js").write_text("1\n")
    shop.must("build", "-q", "--record-reads", str(shop.context))
    names = [edit["text"] for edit in shop.findings()["LM1002"]["edits"]]
    assert "COPY hooks.js package-lock.json package.json ./\n" in names


def test_a_record_names_files_as_the_context_does(shop: Shop) -> None:
    (shop.context / "lib/deep").mkdir(parents=True)
    (shop.context / "lib/deep/x").write_text("x")
    (shop.context / "lib/y").write_text("y")
    shop.write(
        "FROM tools:1\nWORKDIR /w\nCOPY main.js /etc/renamed\nCOPY lib/deep inner/\n"
        "COPY lib/y package.json ./\nCOPY package-lock.json /etc/\n"
        "RUN cat /etc/renamed inner/x ./y /etc/package-lock.json && ls package.json /etc/passwd\n"
    )
    shop.must("build", "-q", "--record-reads", str(shop.context))
    steps = json.loads(shop.must("why", "--format", "json"))["steps"]
    assert steps[-1]["reads"] == ["lib/deep/x", "lib/y", "main.js", "package-lock.json"]


def test_what_is_opened_of_mounts_is_recorded_too(shop: Shop) -> None:
    (shop.context / "lib/deep").mkdir(parents=True)
    for name in ("lib/deep/x", "lib/y", "lib/unread"):
        (shop.context / name).write_text(name)
    shop.write(
        "FROM tools:1\nWORKDIR /w\nCOPY package.json ./\n"
        "RUN --mount=type=bind,target=/src"
        " --mount=type=bind,source=lib,target=/lib2"
        " --mount=type=bind,source=main.js,target=/one.js"
        " --mount=type=bind,source=lib,target=/rw,rw"
        " cat package.json /src/package-lock.json /lib2/deep/x /one.js"
        " && echo new > /rw/new && cat /rw/new /rw/y && ls /lib2 && test ! -e /src/Dockerfile\n"
        "RUN --mount=type=bind,from=tools:1,target=/other cat /other/usr/bin/npm\n"
    )
    shop.must("build", "-q", "--record-reads", str(shop.context))
    steps = json.loads(shop.must("why", "--format", "json"))["steps"]
    assert steps[-2]["reads"] == [
        "lib/deep/x",
        "lib/y",
        "main.js",
        "package-lock.json",
        "package.json",
    ]
    assert steps[-1]["reads"] == []
    left = [name for name in os.listdir(shop.root / "build") if name != "spool"]
    assert not [name for name in left if "watched" in name or "bound" in name]
    assert (shop.context / "lib").is_dir() and not (shop.context / "lib/new").exists()


def test_mounts_are_there_where_nothing_can_be_recorded(shop: Shop) -> None:
    shop.write("FROM tools:1\nRUN --mount=type=bind,target=/src cat /src/main.js > /copy\n")
    done = shop.lamina("build", "--record-reads", str(shop.context), LAMINA_SNAPSHOTTER="copying")
    assert done.returncode == 0, done.stderr
    assert "reads are not recorded" in done.stderr


def test_an_owner_is_set_at_once_where_all_of_it_was_new(shop: Shop) -> None:
    (shop.context / "lib/deep").mkdir(parents=True)
    (shop.context / "lib/deep/x").write_text("x")
    (shop.context / "lib/deep").chmod(0o700)
    head = "FROM tools:1\nRUN mkdir /there && echo 'me:x:7:8::/:' >> /etc/passwd"
    head += " && echo 'us:x:9:' >> /etc/group\n"
    shop.write(
        f"{head}COPY lib /app\nRUN chown -R me:us /app\n"
        "COPY lib /there\nRUN chown -R me:us /there\n"
        "COPY lib /new/below\nRUN chown -R me:us /new/below\n"
        "COPY lib /modes\nRUN chmod -R 755 /modes\n"
    )
    before = shop.text()
    only = ("check", "--fix", "--verify", "--no-fail", "--only", "LM1103,LM1104")
    shop.must(*only, str(shop.context))
    assert shop.text() == before  # nobody has built it yet
    shop.must("build", "-q", str(shop.context))
    done = shop.lamina(*only, str(shop.context))
    assert done.returncode == 0, done.stderr + done.stdout
    assert "the same image" in done.stdout
    assert shop.text() == (
        f"{head}COPY --chown=me:us lib /app\n"
        "COPY lib /there\nRUN chown -R me:us /there\n"
        "COPY lib /new/below\nRUN chown -R me:us /new/below\n"
        "COPY --chmod=755 lib /modes\n"
    )


def test_what_was_not_built_has_no_seconds(shop: Shop) -> None:
    done = shop.lamina("check", "--git", str(shop.context))
    assert done.returncode != 0
    assert "there are no seconds to count with" in done.stderr
    done = shop.lamina("check", "--image", "absent", str(shop.context))
    assert done.returncode != 0
    assert "absent" in done.stderr


def test_an_image_from_elsewhere_is_measured_by_its_history(shop: Shop) -> None:
    shop.must("build", "-q", "-t", "app", str(shop.context))
    archive = shop.context.parent / "app.tar"
    shop.must("save", "-o", str(archive), "app")
    other = shop.root.parent / "other"
    base = shop.root.parent / "tools.tar"
    shop.must("save", "-o", str(base), "tools:1")
    shop.root = other
    shop.must("load", "-i", str(base))
    found = shop.findings("--image", f"docker-archive:{archive}")["LM1101"]["measured"]
    assert 4 << 20 <= found["hidesBytes"] < 5 << 20
    assert "seconds" not in found


def test_what_cannot_be_recorded_is_said(shop: Shop) -> None:
    args = ("build", "--record-reads", str(shop.context))
    done = shop.lamina(*args, LAMINA_SNAPSHOTTER="copying")
    assert done.returncode == 0, done.stderr
    assert "reads are not recorded" in done.stderr
