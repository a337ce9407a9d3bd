import json

import pytest

from lamina.oci import config
from lamina.oci.config import Healthcheck, History, ImageConfig, RunConfig
from lamina.oci.digest import DiffID, Digest
from lamina.oci.document import BadDocument
from lamina.oci.platform import Platform

DIFF_ID = DiffID(Digest.of(b"l"))
FULL = RunConfig(
    user="1:1",
    exposed_ports=("443/tcp", "80/tcp"),
    env=("PATH=/bin", "A=b=c"),
    entrypoint=("/init",),
    cmd=(),
    volumes=("/data",),
    working_dir="/srv",
    labels={"a": "1", "b": "<2>"},
    stop_signal="SIGQUIT",
    healthcheck=Healthcheck(("CMD", "true"), 1, 2, 3, 4, 5),
    on_build=("RUN x",),
    shell=("/bin/bash", "-c"),
    args_escaped=True,
    extra={"X": [1]},
)
SOUND = {
    "architecture": "amd64",
    "os": "linux",
    "rootfs": {"type": "layers", "diff_ids": [DIFF_ID]},
}


def test_everything_survives_the_round_trip() -> None:
    made = ImageConfig.make(
        platform=Platform("linux", "arm64", "v8"),
        config=FULL,
        diff_ids=(DIFF_ID,),
        history=(History("2026-01-01T00:00:00Z", "COPY", "me", "why"), History(empty_layer=True)),
        created="2026-01-01T00:00:00Z",
        author="me",
        extra={"moby.buildkit.cache.v0": "x"},
    )
    assert config.parse(made.raw, strict=True) == made
    assert made.digest == Digest.of(made.raw)


def test_keys_come_in_dockers_order() -> None:
    made = ImageConfig.make(platform=Platform("linux", "arm", "v7"), config=RunConfig(cmd=("sh",)))
    assert made.raw == (
        b'{"architecture":"arm","config":{"Cmd":["sh"]},"os":"linux",'
        b'"rootfs":{"type":"layers","diff_ids":[]},"variant":"v7"}'
    )


def test_unknown_fields_survive_an_edit() -> None:
    raw = json.dumps(SOUND | {"container": "x", "config": {"Hostname": "h", "Cmd": None}}).encode()
    found = config.parse(raw)
    assert found.extra == {"container": "x"}
    assert found.config.extra == {"Hostname": "h"}
    assert found.config.cmd is None


def test_the_last_of_a_name_is_the_environment() -> None:
    assert RunConfig(env=("A=1", "B", "A=2=3")).environment() == {"A": "2=3", "B": ""}


def test_real_configs_that_the_schema_forbids_are_read() -> None:
    loose = SOUND | {"created": "yesterday", "config": {"Env": ["A"]}, "history": None}
    raw = json.dumps(loose | {"rootfs": {"diff_ids": None}}).encode()
    assert config.parse(raw).diff_ids == ()
    for change in ({"created": "yesterday"}, {"config": {"Env": ["A"]}}, {"history": None}):
        with pytest.raises(BadDocument):
            config.parse(json.dumps(SOUND | change).encode(), strict=True)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"os": 1}, "os"),
        ({"os": None}, "os"),
        ({"architecture": None}, "architecture"),
        ({"variant": 1}, "variant"),
        ({"rootfs": None}, "rootfs"),
        ({"rootfs": {"type": "tree"}}, "rootfs.type"),
        ({"rootfs": {"type": "layers", "diff_ids": ["x"]}}, "rootfs.diff_ids[0]"),
        ({"rootfs": {"type": "layers", "diff_ids": [1]}}, "rootfs.diff_ids[0]"),
        ({"history": "x"}, "history"),
        ({"history": [{"empty_layer": 1}]}, "history[0].empty_layer"),
        ({"config": []}, "config"),
        ({"config": {"User": 1}}, "config.User"),
        ({"config": {"Env": [1]}}, "config.Env[0]"),
        ({"config": {"Cmd": "sh"}}, "config.Cmd"),
        ({"config": {"Volumes": ["/x"]}}, "config.Volumes"),
        ({"config": {"Volumes": {"/x": 1}}}, "config.Volumes./x"),
        ({"config": {"Labels": {"a": 1}}}, "config.Labels.a"),
        ({"config": {"Healthcheck": {"Interval": "1s"}}}, "config.Healthcheck.Interval"),
    ],
)
def test_a_wrong_config_is_refused_by_the_path(change: dict[str, object], field: str) -> None:
    with pytest.raises(BadDocument) as caught:
        config.parse(json.dumps(SOUND | change).encode())
    assert caught.value.field == field
