"""FROM --platform."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.errors import Invalid
from lamina.lint.file import File, Item
from lamina.lint.finding import Edit, Hit
from lamina.lint.rule import Phase
from lamina.lint.rules.kin import WARNING, buildkit, hadolint, quote
from lamina.oci import platform as platforms

_TARGET = ("$TARGETPLATFORM", "${TARGETPLATFORM}")
_KNOWN = re.compile(r"\$\{?(?:BUILD|TARGET)PLATFORM")


def redundant_target_platform(file: File) -> Iterator[Hit]:
    """FROM does not ask for `$TARGETPLATFORM`: that is what it takes anyway."""
    for item, expansion in file.trace.platforms:
        if (
            expansion.found == {"TARGETPLATFORM"}
            and not expansion.missing
            and expansion.text == file.trace.target_platform
        ):
            message = (
                f"Setting platform to predefined {_platform(item)} in FROM is redundant as this"
                " is the default behavior"
            )
            yield file.hit(item, message, at="--platform", edits=_without(file, item))


def const_platform(file: File) -> Iterator[Hit]:
    """FROM does not ask for one platform by name.

    Such an image cannot be built for another, and runs emulated where the builder is another one.
    A stage whose name holds the system or the architecture means it so.

        FROM --platform=linux/amd64 alpine AS base           # no
        FROM --platform=linux/amd64 alpine AS build-amd64    # yes
    """
    for item, expansion in file.trace.platforms:
        if expansion.found or expansion.missing:
            continue
        try:
            platform = platforms.parse(expansion.text)
        except Invalid:
            continue
        line = item.instruction
        assert isinstance(line, ins.From)
        name = line.as_name or ""
        if platform.os in name or platform.architecture in name:
            continue
        message = f"FROM --platform flag should not use constant value {quote(expansion.text)}"
        yield file.hit(item, message, at="--platform")


def base_platform(file: File) -> Iterator[Hit]:
    """A base image is of the platform that the stage is built for.

    Looked for only where the base image is known, as in a build with images in the store.
    """
    chosen = {item.index: expansion.text for item, expansion in file.trace.platforms}
    for item in file.of(ins.From):
        line = item.instruction
        assert isinstance(line, ins.From)
        base = file.facts.bases.get(line.image)
        if base is None or not base.platform:
            continue
        wanted = platforms.parse(chosen.get(item.index, file.trace.target_platform))
        actual = platforms.parse(base.platform)
        if (wanted.os, wanted.architecture) != (actual.os, actual.architecture):
            message = (
                f'Base image {line.image} was pulled with platform "{platforms.format(actual)}",'
                f' expected "{platforms.format(wanted)}" for current build'
            )
            yield file.hit(item, message, at=line.image)


def platform_flag(file: File) -> Iterator[Hit]:
    """FROM names no platform, unless by `$BUILDPLATFORM` or `$TARGETPLATFORM`.

    hadolint's number for FromPlatformFlagConstDisallowed; it minds other variables too.
    """
    for item in file.of(ins.From):
        text = _platform(item).strip("\"'")
        if text and not _KNOWN.match(text):
            yield file.hit(item, at="--platform")


def target_platform(file: File) -> Iterator[Hit]:
    """FROM does not ask for `$TARGETPLATFORM` (hadolint's number for RedundantTargetPlatform)."""
    for item in file.of(ins.From):
        if _platform(item) in _TARGET:
            yield file.hit(item, at="--platform", edits=_without(file, item))


def _platform(item: Item) -> str:
    line = item.instruction
    return line.platform or "" if isinstance(line, ins.From) else ""


def _without(file: File, item: Item) -> tuple[Edit, ...]:
    flag = f"--platform={_platform(item)} "
    located = file.located(item)
    at = located.text.find(flag)
    return (Edit(located.span(at, at + len(flag)), ""),) if at >= 0 and located.starts else ()


RULES = (
    buildkit(
        "RedundantTargetPlatform",
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the"
        " default behavior",
        redundant_target_platform,
        Phase.BASES,
    ),
    buildkit(
        "FromPlatformFlagConstDisallowed",
        "FROM --platform flag should not use a constant value",
        const_platform,
        Phase.BASES,
    ),
    buildkit(
        "InvalidBaseImagePlatform",
        "Base image platform does not match expected target platform",
        base_platform,
        Phase.STEPS,
        has_url=False,
    ),
    hadolint(
        "DL3029", "platform-flag", WARNING, "FROM has a --platform", platform_flag,
        twin="FromPlatformFlagConstDisallowed",
    ),
    hadolint(
        "DL3065", "target-platform", WARNING, "FROM asks for the target platform", target_platform,
        twin="RedundantTargetPlatform",
    ),
)  # fmt: skip
