"""The command as a person types it, and an image to use it on."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOTFS = Path(__file__).parents[2] / "../shared/images/alpine-minirootfs-3.20.3-x86_64.tar.gz"
CREATED = "2024-05-01T12:00:00Z"


class Machine:
    """A store of its own, and the command beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {
            "PATH": os.environ["PATH"],
            "LAMINA_ROOT": str(root),
            "HOME": str(root.parent),
            "TZ": "UTC",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }

    def run(
        self, *argv: str | Path, stdin: bytes = b"", status: int = 0
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [sys.executable, "-m", "lamina", *map(str, argv)],
            env=self.environment,
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == status, done.stderr.decode()
        assert b"Traceback" not in done.stderr
        return done

    def out(self, *argv: str | Path, stdin: bytes = b"") -> str:
        return self.run(*argv, stdin=stdin).stdout.decode("utf-8", "surrogateescape")

    def lines(self, *argv: str | Path) -> list[str]:
        return self.out(*argv).splitlines()

    def fails(self, *argv: str | Path, stdin: bytes = b"", status: int = 1) -> str:
        done = self.run(*argv, stdin=stdin, status=status)
        assert done.stdout == b""
        return done.stderr.decode()


def tar(*members: tuple[str, bytes | str | None], name: str = "w") -> bytes:
    """A tar of files (bytes), symlinks (str) and directories (None)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=name) as archive:
        for path, content in members:
            info = tarfile.TarInfo(path)
            info.mtime = 1_700_000_000
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


LOWER = tar(("etc/", None), ("etc/a", b"a" * 1000), ("etc/b", b"bb"), ("link", "etc/a"))
UPPER = tar(("etc/", None), ("etc/.wh.a", b""), ("etc/b", b"changed"), ("new", b"n"))


def docker_archive(*, tags: list[str] | None) -> bytes:
    """What an old `docker save` wrote, of an image with two layers and four instructions."""
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in (LOWER, UPPER)]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": CREATED,
        "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"], "Labels": {"tier": "test"}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [
            {"created": CREATED, "created_by": "/bin/sh -c #(nop) ADD file:x in / "},
            {
                "created": CREATED,
                "created_by": '/bin/sh -c #(nop)  CMD ["sh"]',
                "empty_layer": True,
            },
            {"created": CREATED, "created_by": "RUN /bin/sh -c rm /etc/a # buildkit"},
            {"created": CREATED, "created_by": "LABEL tier=test", "empty_layer": True},
        ],
    }
    raw = json.dumps(config).encode()
    manifest = [{"Config": "c.json", "RepoTags": tags, "Layers": ["1/layer.tar", "2/layer.tar"]}]
    return tar(
        ("c.json", raw),
        ("1/layer.tar", LOWER),
        ("2/layer.tar", UPPER),
        ("manifest.json", json.dumps(manifest).encode()),
    )


needs_rootfs = pytest.mark.skipif(not ROOTFS.exists(), reason="needs ../shared/images")
needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")
