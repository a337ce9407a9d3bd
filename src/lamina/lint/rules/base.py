"""Base images: their tags and registries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from lamina.dockerfile import instructions as ins
from lamina.dockerfile import mounts
from lamina.errors import Invalid
from lamina.lint.file import File, Item
from lamina.lint.finding import Edit, Hit
from lamina.lint.rules.kin import ERROR, WARNING, hadolint

_BRACES = re.compile(r"\$\{[^}]*\}")
_HUB = ("docker.io", "hub.docker.com")


def untagged(file: File) -> Iterator[Hit]:
    """FROM names a tag or a digest.

    Without one it is `latest`, which is another image next month.

        FROM debian       # no
        FROM debian:13    # yes
    """
    for item, image in _images(file):
        name, tag, digest = _cut(image)
        if name and not tag and not digest and name != "scratch" and not name.startswith("$"):
            hint, edits = _known_tag(file, item, image, f"{image}:{{}}")
            yield file.hit(item, f'"{image}" has no tag', at=image, hint=hint, edits=edits)


def latest(file: File) -> Iterator[Hit]:
    """FROM does not name the tag `latest`, which is another image next month."""
    for item, image in _images(file):
        _, tag, digest = _cut(image)
        if tag == "latest" and not digest:
            hint, edits = _known_tag(file, item, image, image.removesuffix("latest") + "{}")
            yield file.hit(item, at=image, hint=hint, edits=edits)


def _known_tag(
    file: File, item: Item, image: str, form: str
) -> tuple[str | None, tuple[Edit, ...]]:
    """What else the image is called here: the edit that says so, if it is one name alone."""
    base = file.facts.bases.get(image)
    span = file.find(item, image)
    if base is None or not base.tags or not image.isascii() or "$" in image or span == item.span:
        return None, ()
    named = ", ".join(form.format(tag) for tag in base.tags[:4])
    hint = f"here it is the same as {named}"
    return hint, (Edit(span, form.format(base.tags[0])),) if len(base.tags) == 1 else ()


def registry(file: File) -> Iterator[Hit]:
    """Images come from the registries that `trustedRegistries` names; any, where it is empty."""
    trusted = file.settings.registries
    if not trusted:
        return
    names: set[str] = set()
    for item in file.unwrapped:
        line = item.instruction
        if isinstance(line, ins.From):
            if line.image.lower() not in names and not _is_trusted(line.image, trusted):
                yield file.hit(item, at=line.image)
            names |= {line.as_name} if line.as_name else set()
            continue
        for source in _sources(line):
            if source.lower() in names or source.isdigit() or _is_trusted(source, trusted):
                continue
            yield file.hit(item, at=source)
            break


def _sources(line: ins.Instruction) -> list[str]:
    if isinstance(line, ins.Copy):
        return [line.from_] if line.from_ else []
    found: list[str] = []
    if isinstance(line, ins.Run):
        for text in line.mounts:
            try:
                source = mounts.parse_mount(text, str).from_
            except Invalid:
                continue
            found += [source] if source else []
    return found


def _is_trusted(image: str, trusted: tuple[str, ...]) -> bool:
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return any(fnmatchcase(first, pattern) for pattern in trusted)
    if image == "scratch":
        return True
    return any(fnmatchcase(name, pattern) for pattern in trusted for name in _HUB)


def _images(file: File) -> Iterator[tuple[Item, str]]:
    """The images of FROM lines that are no stages."""
    names: set[str] = set()
    for item in file.of(ins.From):
        line = item.instruction
        assert isinstance(line, ins.From)
        if line.image.lower() not in names:
            yield item, line.image
        names |= {line.as_name} if line.as_name else set()


def _cut(image: str) -> tuple[str, str, str]:
    """Name, tag and digest; a variable in braces is one letter, whatever it stands for."""
    name, _, digest = _BRACES.sub("$", image).partition("@")
    head, slash, last = name.rpartition("/")
    base, _, tag = last.partition(":")
    return head + slash + base, tag, digest


RULES = (
    hadolint("DL3006", "untagged-base", WARNING, "FROM without a tag", untagged),
    hadolint("DL3007", "latest-base", WARNING, "FROM with the tag latest", latest),
    hadolint("DL3026", "trusted-registry", ERROR, "the registry is not trusted", registry),
)
