"""Every instruction built twice, by `lamina build` and by `buildah bud`: the same image.

The Dockerfiles lie in dockerfiles/, one a case. All are built from one context (`make_context`),
by both tools on the same bases, and both images are unpacked and read by the peer. What has to be
equal is the merged file system (kind, mode, owner, content, link, hard links, extended
attributes) and the config. TABLE holds what a case needs beside its Dockerfile: flags, and each
difference from buildah with its reason. A difference is asserted as it is, so none hides another.

Where buildah 1.28 does not know a flag, NAME.spelled.Dockerfile says in instructions that it
knows what the flag means, and buildah builds that.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import peers
from peers import Storage, Tree

DOCKERFILES = Path(__file__).parent / "dockerfiles"
IMAGES = Path(__file__).parents[2] / "../shared/images"
BASES = {
    "busybox:musl": IMAGES / "busybox-musl-x86_64-rootfs.tar.gz",
    "alpine:3.20": IMAGES / "alpine-minirootfs-3.20.3-x86_64.tar.gz",
}
PATH = "PATH=/usr/bin:/bin"
VERSION = "1.28"  # of buildah, whose differences the table holds
INSTRUCTIONS = (
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL "
    "STOPSIGNAL USER VOLUME WORKDIR"
)
NAMES = sorted(
    path.name.removesuffix(".Dockerfile")
    for path in DOCKERFILES.glob("*.Dockerfile")
    if not path.name.endswith(".spelled.Dockerfile")
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="RUN steps need root"),
    pytest.mark.skipif(
        not all(path.exists() for path in BASES.values()) or os.uname().machine != "x86_64",
        reason="../shared/images is not here, or is of another machine",
    ),
]


@dataclass(frozen=True)
class Case:
    """What a Dockerfile needs beside itself; a difference is (lamina's, buildah's)."""

    flags: tuple[str, ...] = ()
    why: str = ""
    differs: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)


SCRATCH = {"WorkingDir": ('"/"', None)}
SETUID = ("file 4755 0:0 'setuid\\n'", "file 0755 0:0 'setuid\\n'")
LEFT = (None, "directory 0755 0:0")  # a mount point that buildah leaves behind
PIPE = (None, "fifo 0600 0:0")
STUB = (None, "file 0755 0:0 ''")
SAME = "file 0644 0:0 'same\\n'"
PASSWD = "file 0644 0:0 702 31a94f06f17b"

TABLE: dict[str, Case] = {
    "add-archives": Case(
        why="BuildKit unpacks no pipes and no devices",
        differs=dict.fromkeys(("/both/t/pipe", "/gz/t/pipe", "/plain/t/pipe"), PIPE),
    ),
    "add-chown": Case(
        why="buildah gives the owner to what it makes itself and not to what is in the archive; "
        "BuildKit the other way round; as add-archives",
        differs={
            "/t/etc": ("directory 0755 0:0", "directory 0755 3:4"),
            "/t/etc/group.d": ("file 0644 3:4 'beside\\n'", "file 0644 0:0 'beside\\n'"),
            "/t/t": ("directory 2750 3:4", "directory 2750 7:8"),
            "/t/t/deep": ("directory 0755 0:0", "directory 0755 3:4"),
            "/t/t/deep/without": ("directory 0755 0:0", "directory 0755 3:4"),
            "/t/t/deep/without/parents": ("file 0600 3:4 'deep\\n'", "file 0600 0:0 'deep\\n'"),
            "/t/t/file": (
                "file 4711 3:4 'file\\n' = /t/t/hard",
                "file 4711 1234:70000 'file\\n' = /t/t/hard",
            ),
            "/t/t/hard": (
                "file 4711 3:4 'file\\n' = /t/t/file",
                "file 4711 1234:70000 'file\\n' = /t/t/file",
            ),
            "/t/t/link": ("link 3:4 file", "link 5:0 file"),
            "/t/t/last": (
                "file 0751 3:4 'y\\n' = /t/t/y",
                "file 0751 9:10 'y\\n' = /t/t/y",
            ),
            "/t/t/pipe": PIPE,
            "/t/t/x": (
                "file 0644 3:4 'x\\n' user.lamina=b'1'",
                "file 0644 0:0 'x\\n' user.lamina=b'1'",
            ),
            "/t/t/y": (
                "file 0751 3:4 'y\\n' = /t/t/last",
                "file 0751 9:10 'y\\n' = /t/t/last",
            ),
        },
    ),
    "add-onto": Case(why="as add-archives", differs={"/t/pipe": PIPE}),
    "arg-proxy": Case(("--build-arg=FTP_PROXY=ftp://proxy", "--build-arg=no_proxy=localhost")),
    "arg-stage": Case(("--build-arg=GIVEN=given",)),
    "copy-all": Case(
        why="buildah takes the set-ID bits from what comes out of a context, BuildKit keeps them; "
        "BuildKit gives an image from scratch a working directory",
        differs={**SCRATCH, "/setuid": SETUID},
    ),
    "copy-chmod": Case(
        why="BuildKit gives the mode to the copied directory itself too",
        differs={"/dir": ("directory 0640 0:0", "directory 0755 0:0")},
    ),
    "copy-from-context": Case(("--build-context=other={context}/dir",)),
    "copy-ignored": Case(why="as copy-all", differs=SCRATCH),
    "copy-modes": Case(why="as copy-all", differs={"/modes/setuid": SETUID}),
    "directives": Case(
        why="buildah takes a backslash in ENV for an escape, whatever the directive says",
        differs={
            "Env": (
                f'["{PATH}", "PATH_LIKE=C:\\\\dir"]',
                f'["{PATH}", "PATH_LIKE=C:dir"]',
            )
        },
    ),
    "env": Case(
        why="BuildKit changes a variable where it stands, buildah moves it to the end",
        differs={
            "Env": (
                '["PATH=/opt/bin:/usr/bin:/bin", "ONE=one", "TWO=2 and", "THREE=3 and", '
                '"OLD=the whole   rest of the line", "NEXT=1", "AFTER=one"]',
                '["ONE=one", "TWO=2 and", "THREE=3 and", '
                '"OLD=the whole   rest of the line", "NEXT=1", "AFTER=one", '
                '"PATH=/opt/bin:/usr/bin:/bin"]',
            )
        },
    ),
    "expose": Case(
        why="BuildKit names every port of a range",
        differs={
            "ExposedPorts": (
                '{"443/tcp": {}, "53/udp": {}, "80/tcp": {}, "8080/tcp": {}, '
                '"9000/tcp": {}, "9001/tcp": {}, "9002/tcp": {}}',
                '{"443/tcp": {}, "53/udp": {}, "80/tcp": {}, "8080/tcp": {}, "9000-9002/tcp": {}}',
            )
        },
    ),
    "from-args": Case(("--build-arg=TAG=musl",)),
    "from-local": Case(why="as run-mount-bind, of a volume", differs={"/data": LEFT}),
    "from-nothing": Case(
        why="BuildKit makes no layer where there is no file, buildah an empty one; as copy-all",
        differs={**SCRATCH, "/": (None, "directory 0555 0:0")},
    ),
    "from-numbers": Case(why="as copy-all", differs=SCRATCH),
    "from-scratch": Case(why="as copy-all", differs=SCRATCH),
    "from-target": Case(("--target=first",)),
    "label-flag": Case(("--label=flag=yes", "--label=both=flag")),
    "run-links": Case(
        why="buildah makes one layer of all steps; each of ours and of BuildKit's is a layer, and "
        "overlayfs parts the names of a file below when one of them is touched",
        differs={
            "/a": (SAME, f"{SAME} = /e = /moved/d"),
            "/e": (SAME, f"{SAME} = /a = /moved/d"),
            "/moved/d": (SAME, f"{SAME} = /a = /e"),
            "/etc/passwd": (PASSWD, f"{PASSWD} = /passwd"),
            "/passwd": (PASSWD, f"{PASSWD} = /etc/passwd"),
        },
    ),
    "run-mount-bind": Case(why="BuildKit takes its mount points away", differs={"/mnt": LEFT}),
    "run-mount-secret": Case(
        ("--secret=id=one,src={context}/secret",),
        why="as run-mount-bind",
        differs={"/run/secrets": LEFT},
    ),
    "run-mount-tmpfs": Case(
        why="buildah takes a mount point away that was there before, and leaves its own parents",
        differs={
            "/made": LEFT,
            "/made/for": LEFT,
            "/t": ("directory 0755 0:0", None),
            "/t/under": ("file 0644 0:0 'under\\n'", None),
        },
    ),
    "run-mount-secret-env": Case(("--secret=id=one,src={context}/secret",)),
    "run-stubs": Case(
        why="as run-mount-bind",
        differs={
            **dict.fromkeys(("/proc", "/run", "/sys"), LEFT),
            **dict.fromkeys(("/etc/hostname", "/etc/hosts", "/etc/resolv.conf"), STUB),
        },
    ),
    "shell": Case(
        why="buildah minds SHELL in RUN only, BuildKit in CMD too",
        differs={
            "Cmd": (
                '["/bin/sh", "-euc", "echo shell"]',
                '["/bin/sh", "-c", "echo shell"]',
            )
        },
    ),
    "volume": Case(
        why="buildah makes a directory for this volume and not for the others, BuildKit for none",
        differs={"/var/v": LEFT},
    ),
    "volume-files": Case(
        why="buildah forgets what RUN writes into a volume, as the old builder did",
        differs={"/data/after": ("file 0644 0:0 'after\\n'", None)},
    ),
}


@dataclass(frozen=True)
class Bench:
    """Both tools, each with a store that holds the bases, and the context."""

    place: Path
    storage: Storage

    @property
    def context(self) -> Path:
        return self.place / "context"

    def lamina(self, *words: object) -> str:
        command = [sys.executable, "-m", "lamina", "--root", f"{self.place}/store"]
        done = subprocess.run(
            [*command, *map(str, words)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def ours(self, dockerfile: Path, flags: tuple[str, ...]) -> str:
        """The ID in the peer's storage of what `lamina build` makes."""
        archive = self.place / "ours.tar"
        words = ["--progress=plain", "-f", dockerfile, "-o", f"type=docker,dest={archive}"]
        self.lamina("build", *words, *flags, self.context)
        return self.storage.pull(archive)

    def theirs(self, dockerfile: Path, flags: tuple[str, ...]) -> str:
        """The ID of what `buildah bud` makes."""
        words = ["-q", "--format=docker", "--isolation=chroot", "--pull-never", "-f", dockerfile]
        ignore = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
        if ignore.exists():  # BuildKit finds it by itself
            words += [f"--ignorefile={ignore}"]
        return self.storage.buildah("bud", *words, *flags, self.context).splitlines()[-1]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    place = tmp_path_factory.mktemp("buildah")
    with peers.storage("buildah", "podman") as storage:
        if f"version {VERSION}." not in (found := storage.buildah("--version")):
            pytest.skip(f"the table is of buildah {VERSION}, and this is {found}")
        made = Bench(place, storage)
        make_context(made.context)
        make_stubs(place / "stubs")
        for name, rootfs in BASES.items():
            made.lamina("import", "-c", f"ENV {PATH}", "-c", 'CMD ["sh"]', rootfs, f"bare-{name}")
            (place / "Dockerfile").write_text(f"FROM bare-{name}\nCOPY stubs /\n")
            made.lamina("build", "-q", "-t", name, place)
        config = DOCKERFILES / "config.Dockerfile"
        made.lamina("build", "-q", "-t", "config:1", "-f", config, made.context)
        for name in ("config:1", *BASES, *(f"bare-{name}" for name in BASES)):
            made.lamina("save", "-o", place / "base.tar", name)
            storage.pull(place / "base.tar")
        yield made


def make_context(root: Path) -> None:
    """Of every kind of file one; all owned by root."""

    def write(name: str, content: str, mode: int = 0o644) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(mode)
        return path

    write("a.txt", "a\n")
    write("b.txt", "b\n")
    write("run.sh", "#!/bin/sh\necho ran\n", 0o755)
    write("private", "private\n", 0o600)
    write("setuid", "setuid\n", 0o4755)
    write("with space.txt", "space\n")
    write("häuser/größe.txt", "größe\n")
    write(f"{'long/' * 30}{'name' * 25}", "long\n")
    write(".hidden", "hidden\n")
    write("dir/one.txt", "one\n")
    write("dir/two.md", "two\n", 0o640)
    write("dir/sub/three.txt", "three\n")
    write("dir/sub/deep/four.md", "four\n")
    write("logs/app.log", "log\n")
    write("logs/keep.log", "keep\n")
    write("logs/old/app.log", "old\n")
    write("big", "0123456789abcdef" * 100_000)
    (root / "dir/closed").mkdir(mode=0o700)
    (root / "shared").mkdir()
    (root / "shared").chmod(0o1777)
    write("shared/s", "s\n")
    os.link(write("hard/1", "hard\n"), root / "hard/2")
    (root / "links").mkdir()
    (root / "links/file").symlink_to("../a.txt")
    (root / "links/dir").symlink_to("../dir")
    (root / "links/dangling").symlink_to("/nowhere")
    os.setxattr(write("xattr", "x\n"), "user.lamina", b"1")
    for kind in ("", "gz", "bz2", "xz"):
        (root / f"archive.tar{kind and '.' + kind}").write_bytes(archive(kind))
    write("secret", "hush\n")


def make_stubs(root: Path) -> None:
    """The mount points that buildah leaves behind; case run-stubs does without them."""
    for name in ("proc", "run", "sys", "etc"):
        (root / name).mkdir(parents=True)
    for name in ("hosts", "hostname", "resolv.conf"):
        (root / "etc" / name).write_bytes(b"")


def archive(kind: str) -> bytes:
    """A tar of all that a tar can hold; t/last says other things of t/y than t/y itself."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{kind}", format=tarfile.PAX_FORMAT) as tar:

        def add(name: str, mode: int, content: bytes = b"", **of: Any) -> None:
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size, entry.mtime = mode, len(content), 1_700_000_000
            for key, value in of.items():
                setattr(entry, key, value)
            tar.addfile(entry, io.BytesIO(content))

        add("t", 0o2750, type=tarfile.DIRTYPE, uid=7, gid=8)
        add("t/file", 0o4711, b"file\n", uid=1234, gid=70000)
        add("t/hard", 0o4711, type=tarfile.LNKTYPE, linkname="t/file", uid=1234, gid=70000)
        add("t/link", 0o777, type=tarfile.SYMTYPE, linkname="file", uid=5)
        add("t/deep/without/parents", 0o600, b"deep\n")
        add("etc/group.d", 0o644, b"beside\n")
        add("t/x", 0o644, b"x\n", pax_headers={"SCHILY.xattr.user.lamina": "1"})
        add("t/y", 0o600, b"y\n", uid=1)
        add("t/pipe", 0o600, type=tarfile.FIFOTYPE)
        add("t/last", 0o751, type=tarfile.LNKTYPE, linkname="t/y", uid=9, gid=10)
    return out.getvalue()


def view(config: dict[str, Any]) -> Tree:
    """What of a config counts: nothing that is empty, and not buildah's mark."""
    shown = {key: config[key] for key in ("os", "architecture", "author") if config.get(key)}
    shown |= {key: value for key, value in config["config"].items() if value}
    shown.pop("Hostname", None)  # buildah's own, the ID of its container
    labels = dict(shown.pop("Labels", {}))
    labels.pop("io.buildah.version", None)
    if labels:
        shown["Labels"] = labels
    return {key: json.dumps(value, sort_keys=True) for key, value in shown.items()}


def test_every_row_has_its_dockerfile_and_every_instruction_a_row() -> None:
    spelled = {path.name.split(".")[0] for path in DOCKERFILES.glob("*.spelled.Dockerfile")}
    assert {*TABLE, *spelled} <= {*NAMES}
    texts = [(DOCKERFILES / f"{name}.Dockerfile").read_text() for name in NAMES]
    used = {word.upper() for text in texts for word in re.findall(r"^([A-Za-z]+) ", text, re.M)}
    assert used >= {*INSTRUCTIONS.split()}


@pytest.mark.parametrize("name", NAMES)
def test_both_make_the_same_image(bench: Bench, name: str) -> None:
    case = TABLE.get(name, Case())
    flags = tuple(flag.format(context=bench.context) for flag in case.flags)
    dockerfile = DOCKERFILES / f"{name}.Dockerfile"
    spelled = DOCKERFILES / f"{name}.spelled.Dockerfile"
    ours = bench.ours(dockerfile, flags)
    theirs = bench.theirs(spelled if spelled.exists() else dockerfile, flags)
    images = [view(image.config) | image.tree for image in bench.storage.look(ours, theirs)]
    assert peers.differences(*images) == case.differs, case.why
