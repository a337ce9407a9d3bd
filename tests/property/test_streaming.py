"""Whatever is copied onto whatever: written from the files, a layer is that of a copied tree."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.build import streaming
from lamina.build.context import LocalContext
from lamina.build.copying import CopySpec, copy, select
from lamina.errors import Invalid, NotFound
from lamina.fs import mounts
from lamina.layer.diff import pack
from lamina.snapshot import OverlaySnapshotter, overlay_fault
from shelves import A, writing

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="owners and mounts need root"),
    pytest.mark.skipif(
        overlay_fault(Path(tempfile.gettempdir())) is not None, reason="overlay does not work here"
    ),
]

PATHS = [f"{one}{two}{three}" for one in "ab" for two in ("", "/a", "/b") for three in ("", "/c")]
# What is at a path: its kind, one of two contents, rights and times, so that some are alike.
THINGS = st.tuples(
    st.sampled_from(["file", "file", "dir", "link", "hard"]),
    st.sampled_from(["", "one", "two"]),
    st.sampled_from([0o644, 0o755, 0o2711]),
    st.sampled_from([1_000_000_000, 1_500_000_000]),
)
TREES = st.dictionaries(st.sampled_from(PATHS), THINGS, max_size=8)


def _fill(root: Path, tree: dict[str, tuple[str, str, int, int]]) -> None:
    """As far as it can be: what comes first stays."""
    for name, (kind, text, mode, when) in tree.items():
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "dir":
                path.mkdir()
            elif kind == "link":
                path.symlink_to(text or "a")
            elif kind == "hard" and (root / "a").is_file():
                os.link(root / "a", path)
            else:
                path.write_text(text)
            if kind != "link":
                path.chmod(mode)
                if text == "two":
                    os.setxattr(path, "user.note", text.encode())
        except OSError:
            continue
        os.utime(path, (when, when), follow_symlinks=False)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    base=TREES,
    context=TREES,
    source=st.sampled_from([".", "a", "b", "a/a"]),
    destination=st.sampled_from(["/", "/a", "/a/", "/b/a", "/new/way", "/a/c"]),
    options=st.sampled_from([{}, {"chmod": "u=rwX,go=rX"}, {"chown": "1:2"}, {"parents": True}]),
)
def test_both_ways_give_the_same_layer(
    base: dict[str, tuple[str, str, int, int]],
    context: dict[str, tuple[str, str, int, int]],
    source: str,
    destination: str,
    options: dict[str, object],
) -> None:
    with tempfile.TemporaryDirectory() as place:
        shelf = OverlaySnapshotter(Path(place, "shelf"))
        draft = shelf.prepare("base", None)
        with writing(draft) as root:
            _fill(root, base)
        shelf.commit(draft, A)
        files = Path(place, "files")
        files.mkdir()
        _fill(files, context)
        spec = CopySpec(sources=(source,), destination=destination, **options)  # type: ignore[arg-type]
        try:
            selection = select(LocalContext(files), spec)
        except NotFound:
            return
        fault, slow, fast = None, io.BytesIO(), io.BytesIO()
        draft = shelf.prepare("slow", A)
        try:
            with mounts.opened(draft.plan) as fd:
                copy(selection, fd)
            pack(shelf.changes(draft), slow)
        except Invalid as error:
            fault = error
        other = shelf.prepare("fast", A)
        try:
            with mounts.opened(other.plan) as fd:
                streamed = streaming.stream(selection, fd)
        except Invalid as error:
            assert fault is not None
            assert error.message == fault.message
            return
        if streamed is None:
            return
        assert fault is None
        with selection.context.open_root() as root_fd:
            pack(streamed.changes(root_fd), fast)
        assert fast.getvalue() == slow.getvalue()
