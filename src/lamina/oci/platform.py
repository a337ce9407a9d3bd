"""Platforms: os/architecture[/variant] (image-spec, image-index.md, "platform")."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on, in GOOS and GOARCH words."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()
