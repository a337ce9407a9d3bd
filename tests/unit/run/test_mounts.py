"""-v, --mount and --tmpfs as values."""

from __future__ import annotations

import pytest

from lamina.errors import Error, Invalid, Unsupported
from lamina.run import mounts
from lamina.run.mounts import MountKind, MountRequest

BIND, VOLUME, TMPFS = MountKind.BIND, MountKind.VOLUME, MountKind.TMPFS


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("/data", MountRequest(VOLUME, "", "/data")),
        ("name:/data", MountRequest(VOLUME, "name", "/data")),
        ("name:/data:ro", MountRequest(VOLUME, "name", "/data", read_only=True)),
        ("name:/data:nocopy", MountRequest(VOLUME, "name", "/data", copy=False)),
        ("/here:/data", MountRequest(BIND, "/here", "/data", create_source=True)),
        ("./x:/data/", MountRequest(BIND, "/cwd/x", "/data", create_source=True)),
        ("..:/data", MountRequest(BIND, "/", "/data", create_source=True)),
        (
            "/here:/data:ro,rslave",
            MountRequest(
                BIND, "/here", "/data", read_only=True, propagation="rslave", create_source=True
            ),
        ),
        ("/here:/data:cached", MountRequest(BIND, "/here", "/data", create_source=True)),
    ],
)
def test_a_volume_is_a_name_or_a_path(text: str, request_: MountRequest) -> None:
    assert mounts.parse_volume(text, cwd="/cwd") == request_


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "a:b:c:d",
        "name:data",
        "data",
        "/here:/",
        "/here:/data:rw,ro",
        "/here:/data:fast",
        "/here:/data:nocopy",
        "name:/data:rshared",
        "n:/data",
        "a/b:/data",
        "a b:/data",
    ],
)
def test_a_wrong_volume_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        mounts.parse_volume(text)


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("type=bind,source=/a,target=/b", MountRequest(BIND, "/a", "/b")),
        ("type=bind,src=/a,dst=/b,ro", MountRequest(BIND, "/a", "/b", read_only=True)),
        ("type=bind,src=a,destination=/b,readonly=false", MountRequest(BIND, "/cwd/a", "/b")),
        (
            "type=bind,src=/a,dst=/b,bind-propagation=shared,bind-nonrecursive",
            MountRequest(BIND, "/a", "/b", propagation="shared", recursive=False),
        ),
        ("src=name,dst=/b", MountRequest(VOLUME, "name", "/b")),
        ("type=volume,dst=/b,volume-nocopy", MountRequest(VOLUME, "", "/b", copy=False)),
        (
            "type=volume,src=name,dst=/b,volume-label=k=v,volume-subpath=x/y",
            MountRequest(VOLUME, "name", "/b", subpath="x/y", labels={"k": "v"}),
        ),
        ("type=tmpfs,dst=/b", MountRequest(TMPFS, "", "/b")),
        (
            "type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=1770",
            MountRequest(TMPFS, "", "/b", options=("size=1048576", "mode=1770")),
        ),
        ('type=bind,"src=/a,b",dst=/c', MountRequest(BIND, "/a,b", "/c")),
    ],
)
def test_a_mount_is_csv(text: str, request_: MountRequest) -> None:
    assert mounts.parse_mount(text, cwd="/cwd") == request_


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("type=bind,source=/a", Invalid),
        ("type=bind,target=/b", Invalid),
        ("type=bind,src=/a,dst=b", Invalid),
        ("type=bind,src=/a,dst=/b,volume-nocopy", Invalid),
        ("type=bind,src=/a,dst=/b,size=1", Invalid),
        ("type=bind,src,dst=/b", Invalid),
        ("type=bind,src=/a,dst=/b,ro=maybe", Invalid),
        ("type=tmpfs,src=/a,dst=/b", Invalid),
        ("type=tmpfs,dst=/b,tmpfs-mode=9", Invalid),
        ("type=nfs,dst=/b", Invalid),
        ("type=image,src=x,dst=/b", Unsupported),
        ("type=volume,src=name,dst=/b,volume-driver=nfs", Unsupported),
        ("type=volume,src=name,dst=/b,volume-opt=o=addr", Unsupported),
        ("type=volume,src=name,dst=/b,volume-subpath=../x", Invalid),
        ("type=bind,src=/a,dst=/b,bind-recursive=readonly", Unsupported),
        ('"', Invalid),
    ],
)
def test_a_wrong_mount_is_refused(text: str, kind: type[Error]) -> None:
    with pytest.raises(kind):
        mounts.parse_mount(text)


def test_a_tmpfs_has_the_options_of_mount() -> None:
    assert mounts.parse_tmpfs("/run:rw,size=64m,exec") == MountRequest(
        TMPFS, "", "/run", options=("rw", "size=64m", "exec")
    )
    assert mounts.parse_tmpfs("/run:ro").read_only


@pytest.mark.parametrize("text", ["run", "/run:fast", "/run:size=", "/run:remount", "/"])
def test_a_wrong_tmpfs_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        mounts.parse_tmpfs(text)


def test_two_mounts_on_one_target_are_refused() -> None:
    one = mounts.parse_volume("name:/data")
    with pytest.raises(Invalid, match="/data"):
        mounts.unique_targets([one, mounts.parse_tmpfs("/data/")])
