"""How each tool is told to pull, run, build and push; for the questions of `ship`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.run import hiding
from bench.spent import Cost, spent

Action = Callable[[Path, str], Cost]  # where to work, the image's name

LAMINA = shutil.which("lamina", path=os.path.dirname(sys.executable)) or "lamina"
# podman's defaults ask for more than root may have on small machines.
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
PROGRAM = "/bin/true"  # what every image has to run


@contextmanager
def place(root: Path, prefix: str = "b-") -> Iterator[Path]:
    """A directory to work in."""
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    try:
        yield path
    finally:
        # podman leaves its store mounted on itself.
        for store in ("root", "podman/root"):
            subprocess.run(["umount", f"{path}/{store}/overlay"], check=False, capture_output=True)
        shutil.rmtree(path)


@contextmanager
def scene(root: Path | None) -> Iterator[Path]:
    """Where tools work: `root`, or a new ext4 in memory, as a host has it on a disk."""
    with ExitStack() as stack:
        if root is None:
            root = stack.enter_context(place(Path("/dev/shm"), "lb-"))
            if shutil.which("mkfs.ext4"):
                root = stack.enter_context(ext4(root))
        yield root


@contextmanager
def ext4(scratch: Path) -> Iterator[Path]:
    """A new journaled ext4, mounted by loop in `scratch`; what is deleted in it is given back."""
    file, there = scratch / "ext4", scratch / "m"  # podman takes no long paths
    there.mkdir()
    with file.open("wb") as out:
        out.truncate(16 << 30)
    subprocess.run(["mkfs.ext4", "-q", "-F", file], check=True)
    subprocess.run(["mount", "-o", "loop,discard", file, there], check=True)
    try:
        yield there
    finally:
        subprocess.run(["umount", there], check=True)


def _podman(at: Path) -> list[str]:
    command = ["podman", "--root", f"{at}/root", "--runroot", f"{at}/run"]
    return [*command, "--storage-driver", "overlay", "--events-backend", "file"]


def _skopeo(at: Path, name: str) -> list[str]:
    source = f"docker://{name}"
    return ["skopeo", "copy", "--src-tls-verify=false", source, f"oci:{at}/oci:latest"]


def pulls(docker: list[str] | None) -> dict[str, Action]:
    """What each tool types to have an image unpacked in an empty place."""
    unpack = ["umoci", "raw", "unpack", "--image"]
    found: dict[str, tuple[str, Action]] = {
        "lamina": (LAMINA, lambda at, of: spent([LAMINA, "--root", f"{at}/l", "pull", "-q", of])),
        "podman": (
            "podman",
            lambda at, of: spent([*_podman(at), "pull", "-q", "--tls-verify=false", of]),
        ),
        "skopeo, no unpacking": ("skopeo", lambda at, of: spent(_skopeo(at, of))),
        "skopeo and umoci": (
            "umoci",
            lambda at, of: spent(_skopeo(at, of), [*unpack, f"{at}/oci:latest", f"{at}/tree"]),
        ),
    }
    if docker is not None:
        words = docker
        found["docker"] = (words[0], lambda at, of: spent(_afresh(words, of)))
    return _those_here(found)


def _afresh(docker: list[str], name: str) -> list[str]:
    """The words that pull, now that the daemon has forgotten the image."""
    subprocess.run([*docker, "image", "rm", "-f", name], capture_output=True, check=False)
    os.sync()
    return [*docker, "pull", "-q", name]


def _those_here(found: dict[str, tuple[str, Action]]) -> dict[str, Action]:
    return {name: act for name, (binary, act) in found.items() if shutil.which(binary)}


def starts(docker: list[str] | None) -> dict[str, Action]:
    """What each tool types to pull an image into an empty place, and run a program of it."""

    def ours(at: Path, name: str) -> Cost:
        command = [LAMINA, "--root", f"{at}/l"]
        run = [*command, "run", "--rm", "--network", "none", name, PROGRAM]
        return spent([*command, "pull", "-q", name], run)

    def podman(at: Path, name: str) -> Cost:
        run = [*_podman(at), "run", "--rm", "--network", "none", *LIMITS, name, PROGRAM]
        pull = [*_podman(at), "pull", "-q", "--tls-verify=false", name]
        return spent(pull, hiding(run))

    found: dict[str, tuple[str, Action]] = {"lamina": (LAMINA, ours), "podman": ("podman", podman)}
    if docker is not None:
        words = docker

        def theirs(at: Path, name: str) -> Cost:
            run = [*words, "run", "--rm", "--network", "none", name, PROGRAM]
            return spent(_afresh(words, name), run)

        found["docker"] = (words[0], theirs)
    return _those_here(found)


def pushes(stores: Path, source: str, oci: Path, docker: list[str] | None) -> dict[str, Action]:
    """What each tool types to push the image that it has pulled, which is done here."""
    store = [LAMINA, "--root", f"{stores}/lamina"]
    spent([*store, "pull", "-q", source])
    if shutil.which("podman"):
        spent([*_podman(stores / "podman"), "pull", "-q", "--tls-verify=false", source])
    if docker is not None:
        spent([*docker, "pull", "-q", source])
    found = _senders(stores, source, docker)
    if shutil.which("skopeo"):
        copy = ["skopeo", "copy", "--dest-tls-verify=false", f"oci:{oci}:latest"]
        found["skopeo, of a layout"] = lambda at, of: spent([*copy, f"docker://{of}"])
    return found


def pushes_of_built(stores: Path, context: Path, docker: list[str] | None) -> dict[str, Action]:
    """What each tool types to push the image that it has built of `context`, which is done here."""
    build = ["build", "-q", "-t", (name := "localhost/built:latest")]
    spent([LAMINA, "--root", f"{stores}/lamina", *build, str(context)])
    if shutil.which("podman"):
        spent([*_podman(stores / "podman"), *build, str(context)])
    if docker is not None:
        spent([*docker, *build, str(context)])
    return _senders(stores, name, docker)


def _senders(stores: Path, source: str, docker: list[str] | None) -> dict[str, Action]:
    store = [LAMINA, "--root", f"{stores}/lamina"]

    def ours(at: Path, name: str) -> Cost:
        return spent([*store, "tag", source, name], [*store, "push", "-q", name])

    found: dict[str, Action] = {"lamina": ours}
    if shutil.which("podman"):
        push = [*_podman(stores / "podman"), "push", "-q", "--tls-verify=false", source]
        found["podman"] = lambda at, of: spent([*push, of])
    if docker is not None:
        words = docker
        found["docker"] = lambda at, of: spent(
            [*words, "tag", source, of], [*words, "push", "-q", of]
        )
    return found


def floors(blob: Path) -> dict[str, Action]:
    """The least that a pull has to do, by programs in C: fetch, two digests, inflate, write."""
    if not all(map(shutil.which, ("bash", "curl", "openssl", "igzip", "tar"))):
        return {}
    stored, plain = (f"tee >(openssl sha256 > {what})" for what in ("digest", "diff-id"))
    fetch = "set -o pipefail; curl -sSf {url} | tee blob | " + stored + " | igzip -dc | " + plain

    def chain(end: str) -> Action:
        def act(at: Path, name: str) -> Cost:
            host, _, repository = name.rpartition(":")[0].partition("/")
            digest = blob.with_suffix(".digest").read_text()
            url = f"http://{host}/v2/{repository}/blobs/{digest}"
            script = f"cd {at} && mkdir tree && {fetch.format(url=url)} | {end}"
            return spent(["bash", "-c", script])

        return act

    return {
        "curl, openssl, igzip": chain("cat > layer.tar"),
        "the same, and tar x": chain("tar xf - -C tree"),
    }
