"""What one builds, another runs: lamina's images under podman, crun and runc, and theirs here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import peers
from peers import Storage

ROOTFS = Path(__file__).parents[2] / "../shared/images/busybox-musl-x86_64-rootfs.tar.gz"
FORMATS = {"docker-archive": "docker", "oci-archive": "oci"}
DOCKERFILE = r"""FROM busybox:musl
RUN adduser -D -u 1234 joe && mkdir /w && echo below > /w/below && rm -r /home/joe /etc/group-
COPY --chown=joe --chmod=0500 script /w/script
RUN echo one > /w/one && ln /w/one /w/two && rm /w/below
ENV GREETING="hello you"
WORKDIR /w
USER joe
ENTRYPOINT ["/w/script"]
CMD ["a b", "c"]
"""
SCRIPT = r"""#!/bin/sh
echo "$GREETING from $(pwd) as $(id -un):$(id -gn) with $#: $*"
stat -c '%a %u:%g %h %n' /w/*
[ -e /etc/group- ] || echo no backup
exit 7
"""
SAYS = (
    "hello you from /w as joe:joe with 2: a b c\n"
    "644 0:0 2 /w/one\n500 1234:1234 1 /w/script\n644 0:0 2 /w/two\nno backup\n"
)
Done = subprocess.CompletedProcess[str]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="RUN steps need root"),
    pytest.mark.skipif(
        not ROOTFS.exists() or os.uname().machine != "x86_64",
        reason="../shared/images is not here, or is of another machine",
    ),
]


@dataclass(frozen=True)
class Here:
    """A store with the base, and a context whose image says SAYS and ends with 7."""

    place: Path

    @property
    def context(self) -> Path:
        return self.place / "context"

    def run(self, *words: object) -> Done:
        command = [sys.executable, "-m", "lamina", "--root", f"{self.place}/store"]
        return subprocess.run(
            [*command, *map(str, words)], capture_output=True, text=True, check=False
        )

    def lamina(self, *words: object) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Here:
    made = Here(tmp_path_factory.mktemp("podman"))
    made.context.mkdir()
    (made.context / "Dockerfile").write_text(DOCKERFILE)
    (made.context / "script").write_text(SCRIPT)
    made.lamina("import", "-c", "ENV PATH=/usr/bin:/bin", ROOTFS, "busybox:musl")
    made.lamina("build", "-q", "-t", "lamina.test/ours:1", made.context)
    return made


@pytest.fixture(scope="module")
def theirs(here: Here) -> Iterator[Storage]:
    """A storage with the same base."""
    with peers.storage("podman", "buildah", "crun") as storage:
        here.lamina("save", "-o", here.place / "base.tar", "busybox:musl")
        storage.pull(here.place / "base.tar")
        yield storage


def says(done: Done) -> tuple[str, int]:
    assert "Traceback" not in done.stderr
    return done.stdout, done.returncode


@pytest.mark.parametrize("kind", FORMATS)
def test_podman_runs_what_is_built_here(
    here: Here, theirs: Storage, kind: str, tmp_path: Path
) -> None:
    archive = tmp_path / "image.tar"
    here.lamina("save", "--format", FORMATS[kind], "-o", archive, "lamina.test/ours:1")
    assert "lamina.test/ours:1" in theirs.podman("load", "-i", archive)
    done = theirs.podman_run("lamina.test/ours:1")
    assert says(done) == (SAYS, 7), done.stderr
    done = theirs.podman_run("--user=0", "--entrypoint=stat", "lamina.test/ours:1", "-c%a", "/bin")
    assert says(done) == ("755\n", 0), done.stderr
    theirs.podman("rmi", "-f", "lamina.test/ours:1")


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_a_runtime_runs_what_umoci_unpacks_of_it(here: Here, runtime: str, tmp_path: Path) -> None:
    for program in ("umoci", runtime):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    layout, bundle = tmp_path / "layout", tmp_path / "bundle"
    here.lamina("save", "--format", "oci-dir", "-o", layout, "lamina.test/ours:1")
    unpack = ["umoci", "unpack", "--image", f"{layout}:1", str(bundle)]
    subprocess.run(unpack, check=True, capture_output=True)
    config = json.loads((bundle / "config.json").read_text())
    config["process"]["terminal"] = False
    (bundle / "config.json").write_text(json.dumps(config))
    flags = ["--cgroup-manager=disabled"] if runtime == "crun" else []
    command = [runtime, "--root", str(tmp_path / "state"), *flags, "run", "--bundle", str(bundle)]
    command.append(f"lamina-test-{os.getpid()}")
    if runtime == "crun":
        command = peers.for_crun(command)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert says(done) == (SAYS, 7), done.stderr


@pytest.mark.parametrize("layers", [False, True], ids=["one layer", "a layer a step"])
@pytest.mark.parametrize("kind", FORMATS)
def test_what_podman_builds_and_saves_runs_here(
    here: Here, theirs: Storage, kind: str, layers: bool, tmp_path: Path
) -> None:
    name, archive = f"lamina.test/podman-{kind}-{layers}:1".lower(), tmp_path / "image.tar"
    flags = ["--isolation=chroot", "--pull=never", f"--layers={layers}".lower(), "-t", name]
    theirs.podman("build", "-q", *flags, here.context)
    theirs.podman("save", "-q", "--format", kind, "-o", archive, name)
    assert name in here.lamina("load", "-i", archive)
    done = here.run("run", "--rm", name)
    assert says(done) == (SAYS, 7), done.stderr


@pytest.mark.parametrize("kind", FORMATS)
def test_what_buildah_builds_and_pushes_runs_here(
    here: Here, theirs: Storage, kind: str, tmp_path: Path
) -> None:
    name, archive = f"lamina.test/buildah-{kind}:1", tmp_path / "image.tar"
    form = "docker" if kind == "docker-archive" else "oci"
    flags = ["-q", "--isolation=chroot", "--pull-never", f"--format={form}", "-t", name]
    theirs.buildah("bud", *flags, here.context)
    theirs.buildah("push", "-q", name, f"{kind}:{archive}:{name}")
    assert name in here.lamina("load", "-i", archive)
    done = here.run("run", "--rm", name)
    assert says(done) == (SAYS, 7), done.stderr


def test_several_images_that_podman_saves_in_one_archive_all_run_here(
    here: Here, theirs: Storage, tmp_path: Path
) -> None:
    names, archive = ["lamina.test/one:1", "lamina.test/two:2"], tmp_path / "images.tar"
    for name in names:
        (tmp_path / "Dockerfile").write_text(f"FROM busybox:musl\nCMD echo {name}\n")
        flags = ["-q", "--isolation=chroot", "--pull=never", "-t", name]
        theirs.podman("build", *flags, tmp_path)
    theirs.podman("save", "-q", "-m", "-o", archive, *names)
    loaded = here.lamina("load", "-i", archive)
    for name in names:
        assert name in loaded
        assert says(here.run("run", "--rm", name)) == (f"{name}\n", 0)
