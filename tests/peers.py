"""The peers' own stores of images, and file trees told in words that can be compared."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PLACE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
SHORT = 48  # bytes of content that are shown as they are

Tree = dict[str, str]


@dataclass(frozen=True)
class Image:
    """What a peer reads of an image."""

    config: dict[str, Any]  # the whole document, as it is stored
    tree: Tree


@dataclass(frozen=True)
class Storage:
    """A containers/storage that buildah and podman share, and nobody else."""

    root: Path

    def command(self, program: str, *words: object) -> list[str]:
        places = ["--root", f"{self.root}/root", "--runroot", f"{self.root}/run"]
        if program == "podman":
            places += ["--tmpdir", f"{self.root}/tmp", "--events-backend", "none"]
        return [program, *places, "--storage-driver", "overlay", *map(str, words)]

    def run(self, program: str, *words: object) -> str:
        command = self.command(program, *words)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        return done.stdout.strip()

    def buildah(self, *words: object) -> str:
        return self.run("buildah", *words)

    def podman(self, *words: object) -> str:
        return self.run("podman", *words)

    def pull(self, archive: Path, kind: str = "docker-archive") -> str:
        """The ID of the image in an archive, which then is here."""
        return self.buildah("pull", "-q", f"{kind}:{archive}").splitlines()[-1]

    def podman_run(self, *words: object) -> subprocess.CompletedProcess[str]:
        """`podman run` as a machine can that has no right to raise limits."""
        limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=512:512"]
        flags = ["--rm", "--network=none", "--cgroups=disabled", *limits]
        command = self.command("podman", "--runtime=crun", "run", *flags, *words)
        return subprocess.run(for_crun(command), capture_output=True, text=True, check=False)

    def look(self, *ids: str) -> list[Image]:
        """Images by ID, merged by the peer; one without layers holds nothing."""
        told = [json.loads(self.buildah("inspect", "--type=image", image)) for image in ids]
        configs = [json.loads(image["Config"]) for image in told]
        full = [
            image
            for image, config in zip(ids, configs, strict=True)
            if config["rootfs"]["diff_ids"]
        ]
        if not full:
            return [Image(config, {}) for config in configs]
        mounts = json.loads(self.podman("image", "mount", "--format=json", *full))
        try:
            trees = {mount["id"]: tree(Path(mount["mountpoint"])) for mount in mounts}
        finally:
            self.podman("image", "unmount", *full)
        return [
            Image(config, trees[image] if image in full else {})
            for image, config in zip(ids, configs, strict=True)
        ]


@contextmanager
def storage(*programs: str) -> Iterator[Storage]:
    """A storage of its own, gone afterwards; skips where a program is missing."""
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("the peers run as root here")
    root = Path(tempfile.mkdtemp(prefix="peer-", dir=PLACE))  # podman refuses long paths
    try:
        yield Storage(root)
    finally:
        for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
            if (point := line.split()[4]).startswith(f"{root}/"):
                subprocess.run(["umount", point], check=True)
        shutil.rmtree(root)


def for_crun(command: list[str]) -> list[str]:
    """A command that runs crun, which refuses a cgroup2 beside hierarchies of version 1."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    beside = [point for _, point, kind, *_ in mounts if kind == "cgroup2"]
    if beside in ([], ["/sys/fs/cgroup"]):
        return command
    hide = 'for at in $0; do umount $at; done; exec "$@"'
    return ["unshare", "--mount", "sh", "-ec", hide, " ".join(beside), *command]


def tree(root: Path) -> Tree:
    """Path -> what is there: kind, mode, owner, content, names of the same file, xattrs.

    >>> tree(root)["/etc/motd"]
    "file 0644 0:0 'welcome'"
    """
    found: dict[str, os.stat_result] = {}
    names: dict[tuple[int, int], list[str]] = {}
    for directory, below, files in os.walk(root):
        for name in (*below, *files):
            path = os.path.join(directory, name)
            inside = f"/{os.path.relpath(path, root)}"
            status = found[inside] = os.lstat(path)
            if not stat.S_ISDIR(status.st_mode):
                names.setdefault((status.st_dev, status.st_ino), []).append(inside)
    found["/"] = os.lstat(root)
    told = {}
    for inside, status in found.items():
        path = f"{root}{inside}"
        words = _told(path, status)
        same = sorted({*names.get((status.st_dev, status.st_ino), ())} - {inside})
        words += [f"= {name}" for name in same]
        words += [
            f"{name}={os.getxattr(path, name, follow_symlinks=False)!r}"
            for name in sorted(os.listxattr(path, follow_symlinks=False))
        ]
        told[inside] = " ".join(words)
    return told


def _told(path: str, status: os.stat_result) -> list[str]:
    mode, owner = f"{stat.S_IMODE(status.st_mode):04o}", f"{status.st_uid}:{status.st_gid}"
    match stat.S_IFMT(status.st_mode):
        case stat.S_IFDIR:
            return ["directory", mode, owner]
        case stat.S_IFLNK:
            return ["link", owner, os.readlink(path)]
        case stat.S_IFREG:
            return ["file", mode, owner, _content(Path(path).read_bytes())]
        case stat.S_IFIFO:
            return ["fifo", mode, owner]
        case _:
            device = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
            return ["device", mode, owner, device]


def _content(data: bytes) -> str:
    if len(data) > SHORT:
        return f"{len(data)} {hashlib.sha256(data).hexdigest()[:12]}"
    return repr(data.decode("utf-8", "backslashreplace"))


def differences(ours: Tree, theirs: Tree) -> dict[str, tuple[str | None, str | None]]:
    """Key -> (ours, theirs), where they are not the same."""
    return {
        key: (ours.get(key), theirs.get(key))
        for key in sorted({*ours, *theirs})
        if ours.get(key) != theirs.get(key)
    }
