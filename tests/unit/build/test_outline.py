from __future__ import annotations

import pytest

from lamina.build import BaseImage, Options
from lamina.build.outline import Outline, Want, outline, targets
from lamina.dockerfile import parse
from lamina.dockerfile.source import DockerfileErrors
from lamina.errors import NotFound
from lamina.image import view
from lamina.image.edit import Assembly
from lamina.oci.config import RunConfig
from lamina.oci.platform import Platform


def base(name: str, platform: Platform) -> BaseImage:
    config = RunConfig(env=("FROM_BASE=yes",), on_build=("ARG TRIGGERED=1",) * (name == "trigger"))
    manifest, document = Assembly(platform=platform, config=config).make()
    return BaseImage(name, view.join(manifest.descriptor(), manifest, document))


def told(text: str, target: str | None = None, **given: str) -> Outline:
    return outline(parse(text), Options(target=target, build_args=given), resolve=base)


def pairs(found: Outline) -> list[tuple[str, str, str]]:
    return [(one.name, one.value, one.description) for one in found.arguments]


STAGES = """# compile makes the program
FROM golang:1.22 AS compile
RUN make

# not about it
FROM compile AS Test
FROM --platform=$BUILDPLATFORM debian
FROM scratch AS release
"""


def test_every_stage_is_offered_and_the_last_is_usual() -> None:
    found = targets(parse(STAGES))
    assert [(one.name, one.base, one.is_default, one.platform) for one in found] == [
        ("compile", "golang:1.22", False, ""),
        ("test", "compile", False, ""),
        ("", "debian", False, "$BUILDPLATFORM"),
        ("release", "scratch", True, ""),
    ]
    assert [one.description for one in found] == ["makes the program", "", "", ""]
    assert [one.span.start_line for one in found] == [2, 6, 7, 8]


ARGUMENTS = """ARG BASE=stable
ARG IDLE=x${NOTHING}
# FLAVOUR of the base
ARG FLAVOUR="${BASE}-slim"

FROM image:${FLAVOUR} AS tools
# LEVEL is how hard to try
# and more
ARG LEVEL=3
ARG FREE
# something else
ARG PLAIN=p
FROM other:$IDLE AS aside
ARG NEVER=1

# app is what we ship
FROM scratch AS app
ARG OWN=${LEVEL}o
COPY --from=tools /a /a
FROM aside
"""


def test_arguments_are_those_that_the_target_has_to_do_with() -> None:
    found = told(ARGUMENTS, "app", LEVEL="9")
    assert (found.name, found.description) == ("app", "is what we ship")
    assert pairs(found) == [
        ("BASE", "stable", ""),
        ("FLAVOUR", "stable-slim", "of the base"),
        ("LEVEL", "9", "is how hard to try"),
        ("FREE", "", ""),
        ("PLAIN", "p", ""),
        ("OWN", "o", ""),
    ]
    assert [one.span.start_line for one in found.arguments] == [1, 4, 9, 10, 12, 18]
    assert [one.name for one in told(ARGUMENTS, None).arguments] == ["IDLE", "NEVER"]


def test_what_is_given_needs_no_default() -> None:
    found = told(ARGUMENTS, "tools", FLAVOUR="edge")
    assert [one.name for one in found.arguments] == ["FLAVOUR", "LEVEL", "FREE", "PLAIN"]
    assert found.arguments[0].value == "edge"


def test_an_argument_from_above_is_told_where_it_stands() -> None:
    found = told("# V is it\nARG V=1\nFROM scratch\nARG V TARGETARCH OTHER=$V\n")
    assert pairs(found) == [("V", "1", "is it"), ("OTHER", "1", "")]
    assert [one.span.start_line for one in found.arguments] == [2, 4]
    own = told("ARG V=1\nFROM scratch\nARG V=2\n")
    assert [(one.value, one.span.start_line) for one in own.arguments] == [("2", 3)]


def test_a_stage_inherits_the_arguments_of_its_base() -> None:
    found = told("FROM scratch AS a\nARG X=1\nFROM a\nARG Y=$X\n")
    assert pairs(found) == [("X", "1", ""), ("Y", "1", "")]
    again = told("FROM scratch AS a\nARG X=1\nFROM a\nARG X=2\n")
    assert [(one.value, one.span.start_line) for one in again.arguments] == [("2", 4)]


def test_triggers_of_the_base_have_arguments_too() -> None:
    assert [one.name for one in told("FROM trigger\n").arguments] == ["TRIGGERED"]


MOUNTS = """FROM image AS first
RUN --mount=type=secret,target=/run/token,required --mount=type=ssh \\
    true
FROM image AS second
RUN --mount=type=secret,id=unused --mount=type=ssh,id=unused true
FROM scratch AS third
ARG N
ENV M=m
RUN --mount=type=secret,id=key$N$M$FROM_BASE --mount=type=cache,target=/c true
RUN --mount=type=secret,id=key7m,env=K true
FROM third AS app
RUN --mount=type=bind,from=first,target=/x --mount=type=ssh,id=deploy,required=true true
"""


def test_secrets_and_keys_that_the_target_mounts_are_told() -> None:
    found = told(MOUNTS, "app", N="7")
    assert [(one.name, one.required, one.span.start_line) for one in found.secrets] == [
        ("token", True, 2),
        ("key7m", False, 9),
    ]
    assert [(one.name, one.required, one.span.start_line) for one in found.ssh] == [
        ("default", False, 2),
        ("deploy", True, 12),
    ]
    second = told(MOUNTS, "second")
    assert second.secrets == (Want("unused", False, second.secrets[0].span),)


def test_the_environment_of_a_base_image_counts() -> None:
    text = "FROM image\nRUN --mount=type=secret,id=$FROM_BASE true\n"
    assert [one.name for one in told(text).secrets] == ["yes"]


@pytest.mark.parametrize(
    "text",
    [
        "FROM scratch\nRUN --mount=type=secret,idd=x true\n",
        "FROM scratch\nARG X=${Y:?is needed}\n",
        "FROM ${NOTHING}\n",
        "FROM scratch AS a\nCOPY --from=b x y\nFROM scratch AS b\nCOPY --from=a x y\n",
    ],
)
def test_what_could_not_be_built_is_refused_with_its_lines(text: str) -> None:
    with pytest.raises(DockerfileErrors):
        told(text, "a" if " AS a" in text else None)


def test_a_target_that_is_not_there_is_said() -> None:
    with pytest.raises(NotFound):
        told(STAGES, "none")
