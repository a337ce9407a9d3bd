"""What the store knows of the images that a FROM names."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from lamina.dockerfile.ignore import Ignore
from lamina.engine import Engine, Settings
from lamina.engine.advising import Bases, Listing


def tar(name: str) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return io.BytesIO(out.getvalue())


def test_other_tags_of_the_same_image_are_known(tmp_path: Path) -> None:
    with Engine(Settings(root=tmp_path / "store", source_date_epoch=0)) as engine:
        engine.import_tar(tar("a"), "debian:latest")
        for name in ("debian:13", "debian:13.2", "debian:mine", "r.io/debian:14"):
            engine.tag("debian", name)
        engine.import_tar(tar("b"), "debian:12")
        bases = Bases(engine)
        assert bases["debian"].tags == ("13", "13.2")
        assert bases["debian:latest"].tags == ("13", "13.2")
        assert bases["debian:13"].tags == ("13.2",)
        assert bases["debian:12"].tags == ()
        assert "fedora" not in bases


def test_names_of_a_context_are_listed_without_what_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/App.csproj").write_text("")
    (tmp_path / "src/notes").write_text("")
    (tmp_path / "out").symlink_to("/")
    listing = Listing(tmp_path, Ignore.parse(b"**/notes\n"))
    assert listing[""] == ("out", "src")
    assert listing["src"] == ("App.csproj",)
    assert listing.get("none") is None
    assert listing.get("src/App.csproj") is None
    assert "etc" not in listing.get("out", ())
    assert listing.get("../..") is None or tmp_path.name not in listing["../.."]
