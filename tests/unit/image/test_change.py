from __future__ import annotations

import pytest

from lamina.errors import Invalid, Unsupported
from lamina.image.change import changed
from lamina.oci.config import Healthcheck, RunConfig

BASE = RunConfig(env=("PATH=/bin", "A=1"), labels={"a": "b"}, working_dir="/srv")


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ('CMD ["a", "b"]', "cmd", ("a", "b")),
        ("CMD echo hi", "cmd", ("/bin/sh", "-c", "echo hi")),
        ("ENTRYPOINT run it", "entrypoint", ("/bin/sh", "-c", "run it")),
        ("ENV B=${A}2", "env", ("PATH=/bin", "A=1", "B=12")),
        ("ENV A=x", "env", ("PATH=/bin", "A=x")),
        ('LABEL c="d e"', "labels", {"a": "b", "c": "d e"}),
        ("EXPOSE 80 53/udp", "exposed_ports", ("53/udp", "80/tcp")),
        ('VOLUME ["/data", "/a b"]', "volumes", ("/a b", "/data")),
        ("USER me:us", "user", "me:us"),
        ("WORKDIR app", "working_dir", "/srv/app"),
        ("WORKDIR /x/../y", "working_dir", "/y"),
        ("STOPSIGNAL SIGINT", "stop_signal", "SIGINT"),
        ("HEALTHCHECK NONE", "healthcheck", Healthcheck(("NONE",))),
        ("ONBUILD RUN x", "on_build", ("RUN x",)),
    ],
)
def test_an_instruction_changes_its_field(line: str, field: str, value: object) -> None:
    assert getattr(changed(BASE, [line]), field) == value


def test_changes_see_those_before_them() -> None:
    assert changed(RunConfig(), ["ENV A=1", "ENV B=$A"]).env == ("A=1", "B=1")


@pytest.mark.parametrize("line", ["RUN true", "COPY a b", "FROM x", "ADD a b"])
def test_what_changes_files_is_refused(line: str) -> None:
    with pytest.raises(Unsupported, match=line.split()[0]):
        changed(BASE, [line])


@pytest.mark.parametrize("line", ["", "NONSENSE x", "ENV", "EXPOSE many"])
def test_what_is_no_instruction_is_refused(line: str) -> None:
    with pytest.raises(Invalid):
        changed(BASE, [line])
