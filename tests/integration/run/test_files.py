"""The files of a container: its changes, commits, exports, and copies both ways."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from boxes import NEEDS, Box, eventually
from lamina.engine import containers
from lamina.errors import Denied, Invalid, NotFound
from lamina.layer.crc import Crc
from lamina.run import changes, copying
from lamina.run.commit import Wish
from lamina.run.container import Container
from lamina.run.mounts import parse_tmpfs, parse_volume
from lamina.run.state import Status

pytestmark = NEEDS


def test_diff_shows_what_was_done_and_no_mount_point(box: Box) -> None:
    container = box.create(
        "sh",
        "-c",
        "echo x > /etc/new; rm /etc/passwd; echo y >> /etc/group; mkdir -p /a/b; chmod 700 /tmp",
        mounts=(parse_tmpfs("/made/for/mount"), parse_volume(f"{box.place}:/other")),
    )
    assert box.look(container)[0] == 0
    assert changes.listed(box.ground, container) == [
        ("A", "/a"),
        ("A", "/a/b"),
        ("C", "/etc"),
        ("C", "/etc/group"),
        ("A", "/etc/new"),
        ("D", "/etc/passwd"),
        ("C", "/tmp"),
    ]


def test_a_container_that_did_nothing_has_no_changes(box: Box) -> None:
    container = box.create("true", mounts=(parse_tmpfs("/made/for/mount"),))
    box.look(container)
    assert changes.listed(box.ground, container) == []


def test_a_commit_is_an_image_that_runs(box: Box) -> None:
    container = box.create("sh", "-c", "echo kept > /file; rm /etc/passwd", env=("A=1",))
    box.look(container)
    wish = Wish(
        name="docker.io/library/child:latest",
        author="me",
        message="why",
        changes=('CMD ["sh", "-c", "cat /file; echo $A$B; ls /etc/passwd"]', "ENV B=2"),
    )
    id = containers.commit(box.engine, container, wish, pausing=True)
    status, text = box.run(image="child")
    assert (status, text.splitlines()[:2]) == (1, ["kept", "12"])
    _, image = box.engine.image("child")
    assert image.id == id
    assert len(image.layers) == 2
    assert (image.config.author, image.config.history[-1].comment) == ("me", "why")
    from lamina.image.validate import validate

    assert validate(box.engine.store.blobs, image.descriptor) == []
    layer = image.layers[1].descriptor.digest
    assert box.engine.store.crcs.get(layer) == Crc().plus(box.engine.store.blobs.read(layer))
    box.engine.remove_image("child")


def test_a_running_container_is_committed_while_it_stands_still(box: Box) -> None:
    container = box.start("sh", "-c", "while :; do echo x >> /grow; sleep 0.01; done")
    wish = Wish(name="docker.io/library/still:latest")
    containers.commit(box.engine, container, wish, pausing=True)
    assert box.state(container).status is Status.RUNNING
    box.engine.remove_image("still")


def test_export_is_the_whole_tree_without_what_is_mounted(box: Box) -> None:
    (box.place / "secret").write_text("x")
    container = box.start(
        "sh",
        "-c",
        "echo x > /new; rm /etc/passwd; exec sleep 100",
        mounts=(parse_volume(f"{box.place}:/in"),),
    )
    eventually(lambda: ("A", "/new") in changes.listed(box.ground, container))
    out = io.BytesIO()
    containers.export(box.engine, container, out)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        names = {name.rstrip("/") for name in tar.getnames()}
    assert {"bin/busybox", "new", "etc/group"} <= names
    assert not {"etc/passwd", "in/secret", "proc/self"} & names


@pytest.fixture(params=["created", "running"])
def files(request: pytest.FixtureRequest, box: Box) -> tuple[Box, Container]:
    mounts = (parse_volume("/vol"),)
    if request.param == "running":
        return box, box.start("sleep", "100", mounts=mounts)
    return box, box.create("sleep", "100", mounts=mounts)


def copy(box: Box, source: str, target: str, **options: bool) -> None:
    with containers.place(box.engine, source) as one, containers.place(box.engine, target) as two:
        copying.copy(one, two, **options)


def test_files_are_copied_both_ways(files: tuple[Box, Container]) -> None:
    box, container = files
    here, name = box.place, container.name
    (here / "file").write_text("one")
    (here / "tree/sub").mkdir(parents=True)
    (here / "tree/sub/leaf").write_text("leaf")
    os.link(here / "tree/sub/leaf", here / "tree/hard")
    (here / "tree/link").symlink_to("/nowhere")
    os.chown(here / "file", 1000, 1000)
    for source, target in [
        ("file", "/tmp"),
        ("file", "/tmp/renamed"),
        ("file", "/vol/"),
        ("tree", "/tmp"),
        ("tree/.", "/tmp/content"),
        ("tree", "/tmp/fresh"),
    ]:
        copy(box, f"{here}/{source}", f"{name}:{target}")
    copy(box, f"{here}/file", f"{name}:/tmp/owned", keep_owner=True)
    copy(box, f"{name}:/tmp", str(here / "back"))
    copy(box, f"{name}:/vol/file", str(here / "from-volume"))
    back = here / "back"
    assert (back / "file").read_text() == (back / "renamed").read_text() == "one"
    assert (here / "from-volume").read_text() == "one"
    for top in ("tree", "content", "fresh"):
        assert (back / top / "sub/leaf").read_text() == "leaf"
        assert os.readlink(back / top / "link") == "/nowhere"
        assert os.path.samefile(back / top / "hard", back / top / "sub/leaf")
    copy(box, f"{name}:/tmp/owned", str(here / "owned"), keep_owner=True)
    assert (here / "owned").stat().st_uid == 1000
    copy(box, f"{name}:/tmp/file", str(here / "mine"), keep_owner=True)
    assert (here / "mine").stat().st_uid == 0


def test_tars_go_in_and_out(files: tuple[Box, Container]) -> None:
    box, container = files
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as out:
        entry = tarfile.TarInfo("top/.wh.name")
        entry.size = 3
        out.addfile(entry, io.BytesIO(b"abc"))
    tar.seek(0)
    with containers.place(box.engine, f"{container.name}:/tmp") as place:
        copying.receive(place, tar)
    back = io.BytesIO()
    with containers.place(box.engine, f"{container.name}:/tmp/top") as place:
        copying.send(place, back)
    back.seek(0)
    with tarfile.open(fileobj=back) as found:
        assert found.getnames() == ["top", "top/.wh.name"]


def test_no_link_of_the_container_leads_out_of_it(files: tuple[Box, Container]) -> None:
    box, container = files
    victim = box.place / "victim"
    victim.mkdir()
    (box.place / "file").write_text("x")
    (box.place / "out").symlink_to(victim)
    (box.place / "up").symlink_to("/../../../../../../.." + str(victim))
    name = container.name
    for link in ("out", "up"):
        copy(box, str(box.place / link), f"{name}:/tmp")
        with pytest.raises(NotFound):
            copy(box, f"{name}:/tmp/{link}/.", str(box.place / "stolen"))
        with pytest.raises(NotFound):
            copy(box, str(box.place / "file"), f"{name}:/tmp/{link}/")
    copy(box, str(box.place / "file"), f"{name}:/../../../../../tmp/../../../up")
    assert list(victim.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "target", "kind"),
    [
        ("{c}:/nosuch", "{h}", NotFound),
        ("{h}/nosuch", "{c}:/tmp", NotFound),
        ("{h}/file", "{c}:/no/such/", NotFound),
        ("{h}/file", "{c}:/no/such", NotFound),
        ("{h}", "{c}:/etc/group", Invalid),
        ("{h}/file", "{c}:/etc/group/", NotFound),
        ("nobody:/x", "{h}", NotFound),
    ],
)
def test_a_copy_that_cannot_be_is_refused(
    files: tuple[Box, Container], source: str, target: str, kind: type[Exception]
) -> None:
    box, container = files
    (box.place / "file").write_text("x")
    where = {"c": container.name, "h": box.place}
    with pytest.raises(kind):
        copy(box, source.format(**where), target.format(**where))


def test_nothing_is_copied_into_what_is_read_only(box: Box) -> None:
    (box.place / "file").write_text("x")
    container = box.create("true", read_only=True)
    with pytest.raises(Denied):
        copy(box, str(box.place / "file"), f"{container.name}:/tmp")
    mounts = (parse_volume(f"{box.place}:/in:ro"),)
    container = box.create("true", mounts=mounts)
    with pytest.raises(Denied):
        copy(box, str(box.place / "file"), f"{container.name}:/in/new")
    assert not (box.place / "new").exists()
