"""Contexts: a directory, a tar on a pipe, nothing; their ignore rules; and bind mounts of them."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from lamina.build.context import (
    EmptyContext,
    LocalContext,
    load_ignore,
    materialised,
    unpacked,
    with_ignore,
)
from lamina.build.copying import CopySpec, select
from lamina.dockerfile.ignore import Ignore
from lamina.errors import Error, Invalid, NotFound

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners need root")


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_the_dockerfiles_own_ignore_file_comes_first(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("a\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/Other.dockerignore").write_text("b\n")
    plain = with_ignore(LocalContext(tmp_path), "Dockerfile")
    other = with_ignore(LocalContext(tmp_path), "sub/Other")
    assert (plain.ignore, plain.ignore_name) == (Ignore.parse("a\n"), ".dockerignore")
    assert (other.ignore, other.ignore_name) == (Ignore.parse("b\n"), "sub/Other.dockerignore")
    assert load_ignore(LocalContext(tmp_path)) == Ignore.parse("a\n")


def test_a_context_without_an_ignore_file_ignores_nothing(tmp_path: Path) -> None:
    assert with_ignore(LocalContext(tmp_path), "Dockerfile").ignore is None
    (tmp_path / ".dockerignore").mkdir()
    assert with_ignore(LocalContext(tmp_path)).ignore is None


def test_an_ignore_file_never_leads_out_of_the_context(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("*")
    context = tmp_path / "context"
    context.mkdir()
    (context / ".dockerignore").symlink_to("../outside")
    assert with_ignore(LocalContext(context)).ignore is None


def test_a_rule_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("!\n")
    with pytest.raises(Invalid):
        with_ignore(LocalContext(tmp_path))


@needs_root
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_tar_becomes_a_context_and_leaves_nothing(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    data = pack(archive({"Dockerfile": b"FROM scratch\n", "d/f": b"text"}))
    spool = tmp_path / "spool"
    with unpacked(io.BytesIO(data), spool) as context:
        assert (context.path / "d/f").read_bytes() == b"text"
        assert context.path.stat().st_mode & 0o777 == 0o700
        select(context, CopySpec(("d/f",), "/"))
    assert list(spool.iterdir()) == []


@needs_root
def test_a_hostile_tar_touches_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with pytest.raises(Error), unpacked(io.BytesIO(archive({"../../out": b"x"})), spool):
        pass
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["spool"]


def test_an_empty_context_holds_nothing(tmp_path: Path) -> None:
    context = EmptyContext(tmp_path / "spool")
    with pytest.raises(NotFound, match='"/f": not found'):
        select(context, CopySpec(("f",), "/"))
    assert select(context, CopySpec((".",), "/")).items[0].nodes[0].path == ""
    assert list((tmp_path / "spool").iterdir()) == []


@needs_root
def test_what_nothing_is_ignored_in_is_mounted_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_text("text")
    ignore = Ignore.parse("other")
    with materialised(LocalContext(tmp_path, ignore), "d", tmp_path / "spool") as path:
        assert path == tmp_path / "d"
    with materialised(LocalContext(tmp_path, ignore), "", tmp_path / "spool") as path:
        assert path == tmp_path


@needs_root
def test_what_is_ignored_or_not_roots_is_mounted_as_a_copy(tmp_path: Path) -> None:
    context = tmp_path / "context"
    (context / "d").mkdir(parents=True)
    (context / "d").chmod(0o711)
    (context / "d/f").write_text("text")
    (context / "d/g").write_text("more")
    spool = tmp_path / "spool"
    with materialised(LocalContext(context, Ignore.parse("d/g")), "d", spool) as path:
        assert sorted(os.listdir(path)) == ["f"]
        assert path.stat().st_mode & 0o777 == 0o711
    os.chown(context / "d/f", 5, 6)
    with materialised(LocalContext(context), "/d/f", spool) as path:
        assert (path.stat().st_uid, path.read_text()) == (0, "text")
    assert list(spool.iterdir()) == []


def test_a_mount_of_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(NotFound, match='"/no": not found'),
        materialised(LocalContext(tmp_path), "no", tmp_path / "spool"),
    ):
        pass
