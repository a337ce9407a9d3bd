"""`--filter` of images, and the REPOSITORY argument of `images`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from lamina.cli import units
from lamina.cli.command import Args

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine.local import Local

Test = Callable[["Local"], bool]
_KEYS = ("dangling", "label", "label!", "before", "since", "until", "reference")


def wanted(args: Args, images: Sequence[Local]) -> Test:
    """The test that the command line asks for: keys must all fit, of one key's values any.

    But of labels all must fit, as in Docker.
    """
    tests: list[Test] = []
    references = list(args.rest)
    for key, values in pairs(args, _KEYS).items():
        if key == "dangling":
            tests.append(_dangling(args, values[-1]))
        elif key in ("label", "label!"):
            tests += [label_test(value, negated=key == "label!") for value in values]
        elif key in ("before", "since"):
            tests += [_beside(args, images, key, value) for value in values]
        elif key == "until":
            tests += [until_test(value) for value in values]
        else:
            references += values
    if references:
        tests.append(_reference(references))
    return lambda image: all(test(image) for test in tests)


def pairs(args: Args, known: Sequence[str]) -> dict[str, list[str]]:
    """The values of each key of --filter; UsageError for a key that is not known."""
    from lamina.cli.suggest import did_you_mean

    found: dict[str, list[str]] = {}
    for text in args.texts("filter"):
        key, equals, value = text.partition("=")
        key = key.strip().lower()
        if not equals:
            raise args.misused(f'bad filter "{text}": expected KEY=VALUE')
        if key not in known:
            raise args.misused(f'unknown filter "{key}"' + did_you_mean(key, known))
        found.setdefault(key, []).append(value.strip())
    return found


def _dangling(args: Args, value: str) -> Test:
    flags = {"true": True, "1": True, "false": False, "0": False}
    if value.lower() not in flags:
        raise args.misused(f'bad filter "dangling={value}": expected true or false')
    asked = flags[value.lower()]
    return lambda image: (image.named.name is None) is asked


def label_test(value: str, *, negated: bool) -> Test:
    key, equals, text = value.partition("=")

    def test(image: Local) -> bool:
        labels = image.image.config.config.labels if image.image is not None else {}
        fits = key in labels and (not equals or labels[key] == text)
        return fits is not negated

    return test


def until_test(value: str) -> Test:
    """Made before that moment."""
    moment = units.parse_moment(value, datetime.now(UTC))
    return lambda image: (time := _created(image)) is not None and time < moment


def _beside(args: Args, images: Sequence[Local], key: str, value: str) -> Test:
    """Made before, or since, another image was."""
    other = next((image for image in images if _is_named(image, value)), None)
    if other is None:
        raise args.misused(f'bad filter "{key}={value}": no such image')
    moment = _created(other)
    if moment is None:
        return lambda image: False
    if key == "before":
        return lambda image: (time := _created(image)) is not None and time < moment
    return lambda image: (time := _created(image)) is not None and time > moment


def _is_named(image: Local, text: str) -> bool:
    from lamina.errors import Invalid
    from lamina.oci import reference

    if image.id.encoded.startswith(text.removeprefix("sha256:")):
        return True
    try:
        return image.named.name == str(reference.parse(text).with_default_tag())
    except Invalid:
        return False


def _reference(patterns: Sequence[str]) -> Test:
    from lamina.oci import reference

    def test(image: Local) -> bool:
        if image.named.name is None:
            return False
        found = reference.parse(image.named.name)
        return any(
            reference.familiar_match(pattern, found) or _is_spelled(pattern, found.name, str(found))
            for pattern in patterns
        )

    return test


def _is_spelled(pattern: str, *spellings: str) -> bool:
    """Whether a pattern without wildcards spells the name in another way, such as in full."""
    from lamina.errors import Invalid
    from lamina.oci import reference

    try:
        return str(reference.parse(pattern)) in spellings
    except Invalid:
        return False


def _created(image: Local) -> datetime | None:
    return units.parse_time(image.image.config.created) if image.image is not None else None
