"""The image commands as a person types them, checked against skopeo and GNU tar."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess

import pytest
from tests.e2e.machine import (
    CREATED,
    LOWER,
    ROOTFS,
    UPPER,
    Machine,
    needs_rootfs,
    tar,
)


@pytest.mark.parametrize(
    ("argv", "lines"),
    [
        (["images"], 1),
        (["images", "-q"], 0),
        (["df"], 5),
        (["image", "prune", "-f"], 1),
        (["system", "prune", "-f"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_store_that_is_not_there_is_empty(machine: Machine, argv: list[str], lines: int) -> None:
    assert len(machine.lines(*argv)) == lines
    assert not machine.root.exists()


@pytest.mark.parametrize(
    "argv", [["history", "x"], ["rmi", "x"], ["save", "x", "-o", "y"], ["layers", "x"]], ids=str
)
def test_nothing_is_found_where_there_is_no_store(machine: Machine, argv: list[str]) -> None:
    assert 'no image "x" here' in machine.fails(*argv)
    assert not machine.root.exists()


@needs_rootfs
def test_a_root_file_system_becomes_an_image(machine: Machine) -> None:
    id = machine.out("import", "-c", 'CMD ["/bin/sh"]', "-m", "hello", ROOTFS, "alpine:3.20")
    assert id.startswith("sha256:")
    header, row = machine.lines("images")
    assert header.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert row.split()[:3] == ["alpine", "3.20", id[7:19]]
    assert row.endswith("7.79MB")
    assert machine.out("images", "-q", "--no-trunc") == id
    document = json.loads(machine.out("inspect", "alpine:3.20"))[0]
    assert document["Config"]["Cmd"] == ["/bin/sh"]
    assert document["Comment"] == "hello"
    blob = hashlib.sha256(ROOTFS.read_bytes()).hexdigest()
    assert (machine.root / "blobs/sha256" / blob).exists()


@needs_rootfs
@pytest.mark.skipif(not shutil.which("tar"), reason="needs GNU tar")
def test_a_layer_is_listed_as_tar_lists_it(machine: Machine) -> None:
    machine.run("import", ROOTFS, "alpine:3.20")
    theirs = subprocess.run(
        ["tar", "--numeric-owner", "-tvf", str(ROOTFS)],
        env={**machine.environment, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    ours = [line.replace(" ./", " ", 1) for line in machine.lines("layers", "alpine:3.20", "1")]
    assert ours == [line.replace(" ./", " ", 1) for line in theirs.splitlines()]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_may_be_compressed(machine: Machine, mode: str) -> None:
    data = tar(("etc/", None), ("etc/a", b"hello"), name=mode)
    machine.run("import", "-", "x", stdin=data)
    document = json.loads(machine.out("inspect", "x"))[0]
    plain = tar(("etc/", None), ("etc/a", b"hello"))
    assert document["RootFS"]["Layers"] == [f"sha256:{hashlib.sha256(plain).hexdigest()}"]
    assert document["Size"] == 5


def test_the_same_import_at_the_same_epoch_is_the_same_image(machine: Machine) -> None:
    machine.environment["SOURCE_DATE_EPOCH"] = "1714564800"
    first = machine.out("import", "-", stdin=LOWER)
    assert machine.out("import", "-", stdin=LOWER) == first
    assert len(machine.lines("images", "-q")) == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the archive is empty"),
        (b"no tar" * 1000, "lamina: "),
        (LOWER[:700], "lamina: "),
        (tar(("../escape", b"x")), "escape"),
    ],
    ids=["empty", "no tar", "truncated", "escape"],
)
def test_a_bad_tar_leaves_nothing(machine: Machine, data: bytes, message: str) -> None:
    assert message in machine.fails("import", "-", "x", stdin=data)
    assert machine.lines("images", "-q") == []
    assert list((machine.root / "blobs/sha256").iterdir()) == []
    assert list((machine.root / "ingest").iterdir()) == []


def test_history_has_every_instruction(loaded: Machine) -> None:
    id = loaded.out("images", "-q").strip()
    rows = loaded.lines("history", "--format", "table {{.ID}}\t{{.Size}}", "two:1")
    assert [row.split() for row in rows] == [
        ["IMAGE", "SIZE"],
        [id, "0B"],
        ["<missing>", "8B"],
        ["<missing>", "0B"],
        ["<missing>", "1kB"],
    ]
    rows = loaded.lines("history", "--human=false", "--no-trunc", "two:1")
    assert rows[0].split() == ["IMAGE", "CREATED", "AT", "CREATED", "BY", "SIZE", "COMMENT"]
    assert CREATED in rows[2]
    assert "RUN /bin/sh -c rm /etc/a # buildkit" in rows[2]
    assert loaded.lines("history", "-q", "two:1") == [id, *["<missing>"] * 3]
    assert json.loads(loaded.lines("history", "--format", "json", "two:1")[3])["Size"] == "1kB"


def test_layers_say_what_they_do(loaded: Machine) -> None:
    rows = loaded.lines("layers", "two:1")
    assert rows[0].split()[:4] == ["LAYER", "INSTRUCTION", "DIGEST", "DIFF"]
    assert rows[1].startswith("1         ADD file:x in / ")
    assert rows[1].split()[-3:] == ["4", "0", "0"]
    assert rows[2].startswith("2         RUN rm /etc/a ")
    assert rows[2].split()[-3:] == ["1", "1", "1"]
    first = json.loads(loaded.lines("layers", "--format", "json", "--no-trunc", "two:1")[0])
    assert first["DiffID"] == f"sha256:{hashlib.sha256(LOWER).hexdigest()}"
    assert first["PlainBytes"] == len(LOWER)


def test_a_whiteout_is_marked(loaded: Machine) -> None:
    rows = loaded.lines("layers", "two:1", "2")
    assert [row.split(maxsplit=5)[5] for row in rows] == [
        "etc/",
        "etc/.wh.a  (deletes etc/a)",
        "etc/b",
        "new",
    ]
    entry = json.loads(loaded.lines("layers", "--format", "json", "two:1", "2")[1])
    assert entry["Deletes"] == "etc/a"
    assert "there is no layer 3" in loaded.fails("layers", "two:1", "3")


def test_inspect_has_dockers_shape(loaded: Machine) -> None:
    document = json.loads(loaded.out("image", "inspect", "two:1"))[0]
    assert document["RepoTags"] == ["two:1"]
    assert document["RepoDigests"][0].startswith("two@sha256:")
    assert document["Architecture"] == "amd64"
    assert document["Size"] == 1010
    assert document["Config"]["WorkingDir"] == ""
    assert loaded.out("inspect", "-f", "{{.Config.Labels.tier}}{{.Config.Labels.x}}", "two:1") == (
        "test\n"
    )
    assert loaded.out("inspect", "--type", "image", "-f", "{{json .Config.Cmd}}", "two:1") == (
        '["sh"]\n'
    )


def test_inspect_shows_what_is_there_and_says_what_is_not(loaded: Machine) -> None:
    done = loaded.run("inspect", "-f", "{{.Os}}", "two:1", "gone", status=1)
    assert done.stdout == b"linux\n"
    assert b'no such object "gone"' in done.stderr


def test_an_image_has_many_names(loaded: Machine) -> None:
    id = loaded.out("images", "-q", "--no-trunc").strip()
    loaded.run("tag", "two:1", "localhost:5000/two")
    loaded.run("tag", id[7:19], "other/name:v2")
    names = loaded.lines("images", "--format", "{{.Repository}}:{{.Tag}}")
    assert sorted(names) == ["localhost:5000/two:latest", "other/name:v2", "two:1"]
    assert "several repositories" in loaded.fails("rmi", id)
    assert loaded.lines("rmi", "two:1") == ["Untagged: two:1"]
    assert loaded.lines("rmi", "-f", id[7:15]) == [
        "Untagged: other/name:v2",
        "Untagged: localhost:5000/two:latest",
        f"Deleted: {id}",
    ]
    assert list((loaded.root / "blobs/sha256").iterdir()) == []


def test_one_wrong_name_does_not_stop_the_others(loaded: Machine) -> None:
    done = loaded.run("rmi", "gone", "two:1", status=1)
    assert b"Deleted: sha256:" in done.stdout
    assert b'no image "gone" here' in done.stderr


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ("dangling=false", True),
        ("dangling=true", False),
        ("label=tier", True),
        ("label=tier=prod", False),
        ("label!=tier", False),
        ("reference=tw*", True),
        ("reference=x*", False),
        ("until=1h", True),
        ("until=2024-01-01", False),
    ],
)
def test_images_are_filtered(loaded: Machine, filter: str, found: bool) -> None:
    assert bool(loaded.lines("images", "-q", "--filter", filter)) is found


@pytest.mark.parametrize(
    ("name", "found"),
    [("two", True), ("two:1", True), ("two:2", False), ("docker.io/library/two", True)],
)
def test_images_are_asked_for_by_name(loaded: Machine, name: str, found: bool) -> None:
    assert bool(loaded.lines("images", "-q", name)) is found


def test_images_before_and_since(loaded: Machine) -> None:
    loaded.run("import", "-", "newer", stdin=LOWER)
    names = ["images", "--format", "{{.Repository}}"]
    assert loaded.lines(*names) == ["newer", "two"]
    assert loaded.lines(*names, "-f", "since=two:1") == ["newer"]
    assert loaded.lines(*names, "-f", "before=newer") == ["two"]
    assert "no such image" in loaded.fails(*names, "-f", "before=gone", status=125)


def test_a_name_given_away_leaves_an_image_for_prune(loaded: Machine) -> None:
    loaded.run("import", "-", "two:1", stdin=UPPER)
    assert "<none>" in loaded.out("images")
    assert len(loaded.lines("images", "-q", "-f", "dangling=true")) == 1
    assert "--force" in loaded.fails("image", "prune")
    pruned = loaded.lines("image", "prune", "-f")
    assert pruned[0] == "Deleted Images:"
    assert pruned[1].startswith("deleted: sha256:")
    assert pruned[-1].startswith("Total reclaimed space: ")
    assert pruned[-1] != "Total reclaimed space: 0B"
    assert len(loaded.lines("images", "-q")) == 1
    assert "untagged: two:1" in loaded.lines("prune", "-af")
    assert loaded.lines("images", "-q") == []


def test_df_counts_images(loaded: Machine) -> None:
    rows = [line.split() for line in loaded.lines("df")]
    assert rows[1][:3] == ["Images", "1", "0"]
    assert loaded.out("system", "df", "--format", "{{.Type}}").splitlines()[2] == "Local Volumes"
