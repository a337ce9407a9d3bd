"""RUN --mount."""

from __future__ import annotations

import pytest

from lamina.dockerfile.mounts import Mount, MountType, check_early, parse_mount
from lamina.errors import Invalid


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        pytest.param("target=/a", Mount(target="/a"), id="bind is the default"),
        pytest.param(
            "type=bind,from=x,src=a,dst=/b,rw",
            Mount(from_="x", source="a", target="/b", read_only=False),
            id="bind",
        ),
        pytest.param(
            "type=cache,id=c,target=/c,sharing=LOCKED,mode=0755,uid=1,gid=2,ro",
            Mount(
                type=MountType.CACHE,
                id="c",
                target="/c",
                sharing="locked",
                mode=0o755,
                uid=1,
                gid=2,
                read_only=True,
            ),
            id="cache",
        ),
        pytest.param(
            "type=tmpfs,target=/t,size=64m",
            Mount(type=MountType.TMPFS, target="/t", size=64 << 20, read_only=False),
            id="tmpfs",
        ),
        pytest.param(
            "type=secret,id=s,env=TOKEN,required",
            Mount(type=MountType.SECRET, id="s", env="TOKEN", required=True),
            id="secret",
        ),
        pytest.param(
            "type=ssh,required=false,mode=600",
            Mount(type=MountType.SSH, mode=0o600),
            id="ssh",
        ),
        pytest.param('"target=/a,b"', Mount(target="/a,b"), id="quoted field"),
    ],
)
def test_a_mount_is_read(text: str, mount: Mount) -> None:
    assert parse_mount(text) == mount


def test_values_are_expanded_and_keys_are_not() -> None:
    mount = parse_mount("type=$T,target=/$T", lambda value: value.replace("$T", "cache"))
    assert (mount.type, mount.target) == (MountType.CACHE, "/cache")


@pytest.mark.parametrize(
    "text",
    [
        "type=bnid",
        "tagret=/x",
        "target",
        "ro=maybe",
        "type=bind,required",
        "type=bind,mode=1",
        "type=cache,mode=9",
        "type=cache,uid=x",
        "type=cache,sharing=some",
        "type=bind,sharing=shared",
        "type=cache,size=1m",
        "type=tmpfs,size=big",
        "type=secret",
        "type=secret,id=a,src=b",
        "type=secret,id=a,from=b",
        "type=cache,env=X",
        '"target=/a',
        'a"b',
        '"a"b',
    ],
)
def test_a_mount_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_mount(text)


def test_a_near_miss_is_suggested() -> None:
    with pytest.raises(Invalid) as caught:
        parse_mount("tagret=/x")
    assert caught.value.hint == 'did you mean "target"?'


def test_from_takes_no_variables() -> None:
    check_early("from=x,target=$Y")
    with pytest.raises(Invalid):
        check_early("from=$X")
