"""FROM --platform: firing and not firing."""

from __future__ import annotations

import pytest

from lamina.lint import Base, Facts
from unit.lint.advice import found, lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("RedundantTargetPlatform", "FROM --platform=$TARGETPLATFORM a:1"),
        ("RedundantTargetPlatform", "FROM --platform=${TARGETPLATFORM:-linux/amd64} a:1"),
        ("FromPlatformFlagConstDisallowed", "FROM --platform=linux/amd64 a:1 AS base"),
        ("DL3029", "FROM --platform=linux/amd64 a:1"),
        ("DL3029", "FROM --platform=$X a:1"),
        ("DL3065", "FROM --platform=$TARGETPLATFORM a:1"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("RedundantTargetPlatform", "FROM --platform=$BUILDPLATFORM a:1"),
        ("FromPlatformFlagConstDisallowed", "FROM --platform=linux/amd64 a:1 AS build-amd64"),
        ("FromPlatformFlagConstDisallowed", "FROM --platform=$BUILDPLATFORM a:1"),
        ("DL3029", "FROM --platform=${BUILDPLATFORM:-x} a:1"),
        ("DL3029", "FROM --platform=$TARGETPLATFORM a:1"),
        ("DL3065", "FROM --platform=$BUILDPLATFORM a:1"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("RedundantTargetPlatform", "FROM --platform=$TARGETPLATFORM a:1", "FROM a:1"),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected


def test_a_base_image_of_another_platform_is_named_where_it_is_known() -> None:
    facts = Facts(bases={"a:1": Base(platform="linux/riscv64")})
    (finding,) = found("InvalidBaseImagePlatform", "FROM a:1\nFROM b:1", facts)
    assert finding.line == 1
    assert 'pulled with platform "linux/riscv64"' in finding.message
    assert not found("InvalidBaseImagePlatform", "FROM --platform=linux/riscv64 a:1", facts)
