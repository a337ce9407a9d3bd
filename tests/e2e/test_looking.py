"""`ls`, `cat`, `blame`, `waste`, `diff` as typed, beside what tar and sha256sum say of the same."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOTFS = Path(__file__).parents[2] / "../shared/images/busybox-musl-x86_64-rootfs.tar.gz"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="RUN steps need root"),
    pytest.mark.skipif(not ROOTFS.exists(), reason="../shared/images is not here"),
]
Done = subprocess.CompletedProcess[str]

DOCKERFILE = """FROM busybox:musl
COPY kept /app/kept
RUN mkdir /cache && head -c 300000 /dev/zero > /cache/large \\
 && echo x > /app/note && ln /app/note /n2
RUN rm -r /cache && echo longer > /app/kept
RUN rm /app/note && ln -s kept /app/link && printf 'P:musl\\nV:1.2\\n\\n' > /etc/x
CMD ["/app/kept"]
"""


class Shop:
    def __init__(self, place: Path) -> None:
        self.root = place / "store"
        context = place / "context"
        context.mkdir()
        (context / "Dockerfile").write_text(DOCKERFILE)
        (context / "kept").write_text("kept\n")
        self.ok("import", str(ROOTFS), "busybox:musl")
        self.ok("build", "-q", "-t", "shop", str(context))
        self.archive = place / "shop.tar"
        self.ok("save", "-o", str(self.archive), "shop")

    def __call__(self, *args: str) -> Done:
        command = [sys.executable, "-m", "lamina", "--root", str(self.root), *args]
        return subprocess.run(command, capture_output=True, text=True, errors="surrogateescape")

    def ok(self, *args: str) -> str:
        done = self(*args)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def tars(self) -> list[bytes]:
        """The layers, plain, out of an archive."""
        with tarfile.open(self.archive) as archive:
            manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
            blobs = [archive.extractfile(name) for name in manifest[0]["Layers"]]
            found = [blob.read() for blob in blobs if blob is not None]
        return [gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob for blob in found]

    def layers(self) -> list[tarfile.TarFile]:
        return [tarfile.open(fileobj=io.BytesIO(data)) for data in self.tars()]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    yield Shop(tmp_path_factory.mktemp("looking"))


def test_a_directory_is_listed_as_the_finished_tree_has_it(shop: Shop) -> None:
    rows = [json.loads(line) for line in shop.ok("ls", "--format=json", "shop:/app").splitlines()]
    assert [(row["Path"], row["Layer"], row["Size"]) for row in rows] == [
        ("app/kept", 4, 7),
        ("app/link -> kept", 5, 0),
    ]
    assert rows[0]["Digest"] == f"sha256:{hashlib.sha256(b'longer' + bytes([10])).hexdigest()}"


def test_the_tree_is_the_one_that_a_container_has(shop: Shop) -> None:
    listed = shop.ok("ls", "-R", "--format", "{{.Path}}", "shop").splitlines()
    paths = {path.partition(" -> ")[0] for path in listed}
    with tarfile.open(fileobj=io.BytesIO(_exported(shop))) as tree:
        exported = {name.strip("./") for name in tree.getnames()} - {""}
    # What a container is given at its start is of no layer.
    given = {"dev/console", "dev/pts", "dev/shm", "etc/hostname", "etc/hosts", "etc/resolv.conf"}
    assert paths ^ exported <= given | {"dev", "proc", "sys", ".dockerenv"}


def _exported(shop: Shop) -> bytes:
    name = shop.ok("create", "shop").strip()
    try:
        command = [sys.executable, "-m", "lamina", "--root", str(shop.root), "export", name]
        return subprocess.run(command, capture_output=True, check=True).stdout
    finally:
        shop.ok("rm", name)


def test_one_layer_is_listed_as_its_tar(shop: Shop) -> None:
    for number, tar in enumerate(shop.layers(), 1):
        listed = shop.ok("ls", "--layer", str(number), "--format", "{{.Path}}", "shop")
        assert listed.splitlines() == [
            name.removeprefix("./").rstrip("/") or "." for name in tar.getnames()
        ]


def test_a_file_is_written_whatever_its_links(shop: Shop) -> None:
    assert shop.ok("cat", "shop:/app/link") == "longer\n"
    assert shop.ok("cat", "shop", "/n2") == "x\n"
    busybox = subprocess.run(
        [sys.executable, "-m", "lamina", "--root", str(shop.root), "cat", "shop:/bin/sh"],
        capture_output=True,
        check=True,
    ).stdout
    with tarfile.open(ROOTFS) as tar:
        names = [member for member in tar if member.name.strip("./") == "bin/busybox"]
        original = tar.extractfile(names[0]) if names else None
        assert original is None or original.read() == busybox


@pytest.mark.parametrize("path", ["/cache/large", "/app", "/nothing"])
def test_what_is_no_file_in_the_end_is_not_written(shop: Shop, path: str) -> None:
    done = shop("cat", f"shop:{path}")
    assert (done.returncode, done.stdout) == (1, "")
    assert path in done.stderr


def test_waste_is_what_the_tars_hold_and_nobody_sees(shop: Shop) -> None:
    unseen = {
        row["Path"]: (row["Bytes"], row["Layer"], row["HiddenBy"])
        for row in map(json.loads, shop.ok("waste", "--format=json", "shop").splitlines())
    }
    assert unseen == {"cache/large": (300_000, 3, 4), "app/kept": (5, 2, 4)}
    written = sum(member.size for tar in shop.layers() for member in tar if member.isreg())
    said = shop.ok("waste", "shop").splitlines()
    assert said[1] == f"Never seen: 300kB (efficiency {(written - 300_005) / written:.2%})"


def test_ci_can_ask_for_a_least_efficiency(shop: Shop) -> None:
    assert shop("waste", "--fail-under", "10", "shop").returncode == 0
    assert shop("waste", "--fail-under", "99.9", "shop").returncode == 1
    assert shop("waste", "--fail-under", "lots", "shop").returncode == 125


def test_ci_can_ask_by_the_rules_of_dive(shop: Shop, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text("rules: {lowestEfficiency: 0.1, highestUserWastedPercent: off}\n")
    flag = f"--ci-config={rules}"
    assert shop("waste", flag, "shop").returncode == 0
    assert shop("waste", flag, "--fail-under=99", "shop").returncode == 1
    rules.write_text("rules: {lowestEfficiency: 0.1, highestWastedBytes: 300kB}\n")
    done = shop("waste", flag, "--format=json", "shop")
    assert done.returncode == 1
    assert "highestWastedBytes: 300005 is more than 300000" in done.stderr
    assert "highestUserWastedPercent" in done.stderr
    assert [json.loads(line)["Layer"] for line in done.stdout.splitlines()] == [3, 2]
    rules.write_text("rules: {lowestEfficiency: most}\n")
    done = shop("waste", flag, "shop")
    assert (done.returncode, done.stdout) == (1, "")
    assert "expected a number from 0 to 1" in done.stderr
    assert shop("waste", f"--ci-config={tmp_path}/none", "shop").returncode == 1
    (tmp_path / ".dive-ci").write_text("rules: {highestWastedBytes: 1}\n")
    command = [sys.executable, "-m", "lamina", "--root", str(shop.root), "waste", "shop"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1


def test_blame_tells_the_whole_story_of_a_path(shop: Shop) -> None:
    def story(path: str) -> list[tuple[str, str]]:
        lines = shop.ok("blame", "--format", "{{.Layer}} {{.What}}", "shop", path).splitlines()
        return [(line.split()[0], line.split()[1]) for line in lines]

    assert story("/app/kept") == [("2", "added"), ("4", "changed")]
    assert story("/cache/large") == [("3", "added"), ("4", "hidden")]
    assert story("/app/note") == [("3", "added"), ("5", "deleted")]
    assert shop("blame", "shop", "/nothing").returncode == 1


def test_two_images_are_told_apart(shop: Shop) -> None:
    done = shop("diff", "busybox:musl", "shop")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert '+ Cmd: ["/app/kept"]' in lines
    files = lines[lines.index("Files:") + 1 :]
    assert files == [
        "A /app",
        "A /app/kept +7B",
        "A /app/link",
        "A /etc/x +14B",
        "A /n2 +2B",
    ]
    same = shop("diff", "shop", "shop")
    assert (same.returncode, same.stdout) == (0, "")


def test_a_dockerfile_is_made_again_that_builds_the_same(shop: Shop, tmp_path: Path) -> None:
    """Its layers beside it as tars, the text builds an image that runs by the same config."""
    text = shop.ok("history", "--dockerfile", "shop")
    (tmp_path / "Dockerfile").write_text(text)
    for number, data in enumerate(shop.tars(), 1):
        (tmp_path / f"layer-{number}.tar").write_bytes(data)
    shop.ok("build", "-q", "-t", "again", str(tmp_path))
    # What begins at scratch works in "/"; an imported root file system does not say where.
    assert shop("diff", "shop", "again").stdout == "Config:\n+ WorkingDir: /\n"


def test_names_of_any_bytes_are_shown_and_do_nothing(shop: Shop, tmp_path: Path) -> None:
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for name in (b"\xff\xfe", b"a\nb", b"\x1b[31mred", b"<script>"):
            tar.addfile(tarfile.TarInfo(os.fsdecode(name)))
    shop.ok("import", str(evil), "evil")
    said = shop.ok("ls", "evil")
    assert "\x1b" not in said
    assert len(said.splitlines()) == 5
    assert {os.fsencode(line.split()[-1]) for line in said.splitlines()[1:]} >= {
        b"\xff\xfe",
        b"a\\nb",
    }


def test_a_layer_that_is_gone_is_said_to_be(shop: Shop, tmp_path: Path) -> None:
    lost = Shop.__new__(Shop)
    lost.root = tmp_path / "store"
    lost.ok("import", str(ROOTFS), "lost")
    digest = lost.ok("layers", "--no-trunc", "--format", "{{.Digest}}", "lost").strip()
    (lost.root / "blobs/sha256" / digest.partition(":")[2]).unlink()
    done = lost("cat", "lost:/etc/passwd")
    assert done.returncode == 1
    assert digest in done.stderr


def test_a_tree_shows_what_each_layer_touches(shop: Shop) -> None:
    lines = shop.ok("layers", "--tree", "shop").splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("4  "))
    assert lines[start].endswith("+0 ~1 -2")
    assert lines[start + 1 : start + 5] == [
        "   app  ~1",
        "      kept  ~1",
        "   cache  -2",
        "      large  -1",
    ]


def test_from_python_it_is_values(shop: Shop) -> None:
    import lamina

    look = lamina.analyze("shop", root=shop.root)
    assert look.waste.wasted == 300_005
    assert [step.layer for step in look.blame("/app/kept")] == [2, 4]
    assert look.read_whole(look.find("/app/link")) == b"longer\n"
    assert "FROM scratch" in look.dockerfile
    assert "rm -r /cache" in look._repr_html_()
    base = lamina.analyze("busybox:musl", root=shop.root)
    assert [one.path for one in base.compare(look)] == [
        "app",
        "app/kept",
        "app/link",
        "etc/x",
        "n2",
    ]


def test_an_image_is_looked_into_wherever_it_is(shop: Shop, tmp_path: Path) -> None:
    from lamina.testing.registry import TestRegistry

    with TestRegistry(tmp_path / "registry") as registry:
        there = f"docker://{registry.address}/team/shop:1"
        shop.ok("copy", "local:shop", there)  # its layers stay plain, as they are here
        shop.ok("copy", "local:shop", f"oci:{tmp_path}/layout:1")
        shop.ok("copy", "local:shop", f"oci-archive:{tmp_path}/shop.tar:1")
        empty = Shop.__new__(Shop)
        empty.root = tmp_path / "nothing-here"
        expected = shop.ok("ls", "-R", "shop")
        for text in (there, f"oci:{tmp_path}/layout:1", f"oci-archive:{tmp_path}/shop.tar:1"):
            assert empty.ok("ls", "-R", text) == expected
            assert empty.ok("cat", f"{text}:/app/link") == "longer\n"
            assert empty("diff", text, f"oci:{tmp_path}/layout:1").stdout == ""
        assert not empty.root.exists()
        registry.faults.clear()
        shop.ok("cat", f"{there}:/app/link")
        # Known by its diff ID, a layer's contents are not read again; a plain one in part only.
        blobs = [one for one in registry.faults.seen if "/blobs/" in one.path]
        assert len(blobs) == 2
        assert blobs[-1].headers["range"].startswith("bytes=")


def test_layers_and_history_are_listed_wherever_the_image_is(shop: Shop, tmp_path: Path) -> None:
    from lamina.testing.registry import TestRegistry

    def rows(at: Shop, command: str, text: str) -> list[dict[str, object]]:
        said = at.ok(command, "--format=json", "--no-trunc", text)
        return [{**json.loads(line), "CreatedSince": ""} for line in said.splitlines()]

    with TestRegistry(tmp_path / "registry") as registry:
        there = f"docker://{registry.address}/team/shop:1"
        shop.ok("tag", "shop", there.removeprefix("docker://"))
        shop.ok("push", "-q", there.removeprefix("docker://"))
        shop.ok("copy", "local:shop", f"oci:{tmp_path}/layout:1")
        shop.ok("copy", "local:shop", f"oci-archive:{tmp_path}/shop.tar:1")
        near = (
            f"oci:{tmp_path}/layout:1",
            f"oci-archive:{tmp_path}/shop.tar:1",
            f"docker-archive:{shop.archive}",
        )
        empty, other = Shop.__new__(Shop), Shop.__new__(Shop)
        empty.root, other.root = tmp_path / "nothing-here", tmp_path / "other"
        other.ok("import", str(ROOTFS), "busybox:musl")
        told = ("CreatedBy", "DiffID", "PlainBytes", "Added", "Changed", "Deleted")
        here = rows(shop, "layers", "shop")
        for at, text in zip((empty, empty, other), near, strict=True):
            found = rows(at, "layers", text)
            assert [[row[key] for key in told] for row in found] == [
                [row[key] for key in told] for row in here
            ]
            assert rows(at, "history", text) == rows(shop, "history", "shop")
            assert at.ok("layers", text, "2") == shop.ok("layers", "shop", "2")

        # A registry is not made to send layers only for a list.
        registry.faults.clear()
        found = rows(empty, "layers", there)
        assert [row.keys() for row in found] == [row.keys() for row in here]
        assert [row["DiffID"] for row in found] == [row["DiffID"] for row in here]
        assert {row["PlainBytes"] for row in found} == {row["Added"] for row in found} == {None}
        sizes = [row["StoredBytes"] for row in reversed(found)]
        listed = empty.ok("history", "--human=false", "--format={{.Size}}", there).splitlines()
        assert listed == ["0", *[f"{size} (compressed)" for size in sizes]]
        assert "<nil>" not in empty.ok("layers", there)
        manifests = [one for one in registry.faults.seen if "/blobs/" not in one.path]
        configs = [one for one in registry.faults.seen if "/blobs/" in one.path]
        assert len(configs) <= len(manifests)
        assert not empty.root.exists()
        assert empty.ok("layers", "--tree", there) == shop.ok("layers", "--tree", "shop")
        assert empty.ok("layers", there, "2") == shop.ok("layers", "shop", "2")
        done = empty("layers", there, "9")
        assert (done.returncode, "layers 1 to 5" in done.stderr) == (1, True)

        # What was read once is known.
        other.ok("layers", "--tree", there)
        found = rows(other, "layers", there)
        assert [row["PlainBytes"] for row in found] == [row["PlainBytes"] for row in here]
        assert [row["Deleted"] for row in found] == [row["Deleted"] for row in here]
        assert rows(other, "history", there) == rows(shop, "history", "shop")
