"""Platforms: os/architecture[/variant] (image-spec, image-index.md, "platform").

How they are spelled, made equal and matched follows containerd's platforms package, for that is
what every other tool answers by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lamina.errors import Invalid
from lamina.late import re
from lamina.oci.document import Fields
from lamina.values import dataclass, replace

# Patterns stay texts: most commands need none of them, and compiling takes time at start-up.
_PART = r"[A-Za-z0-9_.-]+"
_OS = r"([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?"
_VERSION = r"([^0-9]*)([0-9]+(?:\.[0-9]+)*)(.*)"

_SYSTEMS = frozenset(
    [
        "aix",
        "android",
        "darwin",
        "dragonfly",
        "freebsd",
        "hurd",
        "illumos",
        "ios",
        "js",
        "linux",
        "nacl",
        "netbsd",
        "openbsd",
        "plan9",
        "solaris",
        "windows",
        "zos",
    ]
)
_ARCHITECTURES = frozenset(
    [
        "386",
        "amd64",
        "amd64p32",
        "arm",
        "armbe",
        "arm64",
        "arm64be",
        "loong64",
        "mips",
        "mipsle",
        "mips64",
        "mips64le",
        "mips64p32",
        "mips64p32le",
        "ppc",
        "ppc64",
        "ppc64le",
        "riscv",
        "riscv64",
        "s390",
        "s390x",
        "sparc",
        "sparc64",
        "wasm",
    ]
)
_SERVER_2022 = 20348  # first Windows build that runs the images of other builds


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on, in GOOS and GOARCH words."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()
    features: tuple[str, ...] = ()  # of the CPU; only in Docker's manifest lists

    def __str__(self) -> str:
        return format(self)


def read(fields: Fields) -> Platform:
    """The platform that a JSON object spells, as it stands (image-index.md, "platform")."""
    return Platform(
        os=fields.need_text("os"),
        architecture=fields.need_text("architecture"),
        variant=fields.text("variant"),
        os_version=fields.text("os.version"),
        os_features=fields.texts("os.features") or (),
        features=fields.texts("features") or (),
    )


def to_json(platform: Platform) -> dict[str, object]:
    """The JSON object, without what is empty."""
    found: dict[str, object] = {"architecture": platform.architecture, "os": platform.os}
    if platform.os_version:
        found["os.version"] = platform.os_version
    if platform.os_features:
        found["os.features"] = list(platform.os_features)
    if platform.variant:
        found["variant"] = platform.variant
    if platform.features:
        found["features"] = list(platform.features)
    return found


def require_known(platform: Platform) -> None:
    """Invalid if Go knows no such system or architecture."""
    for word, known in ((platform.os, _SYSTEMS), (platform.architecture, _ARCHITECTURES)):
        if word not in known:
            raise Invalid(f'"{word}" is not known', hint=f"expected {', '.join(sorted(known))}")


def parse(text: str) -> Platform:
    """`os`, `architecture`, `os/architecture` or `os/architecture/variant`, in canonical words.

    The part that is left out comes from this host.
    `os` may carry a version and features: `windows(10.0.17763+win32k)`.
    """
    parts = text.split("/")
    match = re.fullmatch(_OS, parts[0])
    if not match or len(parts) > 3 or not all(re.fullmatch(_PART, part) for part in parts[1:]):
        raise Invalid(
            f'"{text}" is not a platform', hint='expected "os/architecture", as in "linux/arm64"'
        )
    system = _system(match[1])
    version = _unescape(match[2] or "", text)
    features = tuple(_unescape(part, text) for part in (match[3] or "").split("+")[1:])
    if len(parts) == 1:
        return _complete(parts[0], system, version, features)
    architecture, variant = _architecture(parts[1], parts[2] if len(parts) == 3 else "")
    if len(parts) == 2 and (architecture, variant) == ("arm", "v7"):
        variant = ""
    if len(parts) == 3 and architecture == "arm64" and not variant:
        variant = "v8"
    return Platform(system, architecture, variant, version, features)


def _complete(text: str, system: str, version: str, features: tuple[str, ...]) -> Platform:
    host = default()
    if system in _SYSTEMS:
        return Platform(system, host.architecture, host.variant, version, features)
    architecture, variant = _architecture(text, "")
    if architecture not in _ARCHITECTURES:
        raise Invalid(
            f'"{text}" is neither an operating system nor an architecture',
            hint='expected "os/architecture", as in "linux/arm64"',
        )
    if (architecture, variant) == ("arm", "v7"):
        variant = ""
    return Platform(host.os, architecture, variant)


def format(platform: Platform) -> str:
    """`os/architecture[/variant]`, without version and features."""
    if not platform.os:
        return "unknown"
    parts = (platform.os, platform.architecture, platform.variant)
    return "/".join(part for part in parts if part)


def format_all(platform: Platform) -> str:
    """Like `format`, with the version and the features of the operating system."""
    options = _escape(platform.os_version)
    options += "".join("+" + _escape(name) for name in sorted(platform.os_features))
    if not platform.os or not options:
        return format(platform)
    return format(replace(platform, os=f"{platform.os}({options})"))


def normalize(platform: Platform) -> Platform:
    """The canonical spelling: `x86_64` is amd64, `armhf` is arm/v7, arm64's v8 goes unsaid."""
    architecture, variant = _architecture(platform.architecture, platform.variant)
    return replace(
        platform,
        os=_system(platform.os),
        architecture=architecture,
        variant=variant,
        os_features=tuple(sorted(set(platform.os_features))),
    )


def default() -> Platform:
    """The platform of this host."""
    import os

    machine = os.uname().machine
    levels = {"armv5": "v5", "armv6": "v6", "armv7": "v7", "armv8": "v8"}
    if machine[:5] in levels:
        variant = levels[machine[:5]]
        return Platform("linux", "arm", "" if variant == "v7" else variant)
    renamed = {"i486": "386", "i586": "386", "i686": "386", "loongarch64": "loong64"}
    architecture, variant = _architecture(renamed.get(machine, machine), "")
    return Platform("linux", architecture, variant)


def matches(wanted: Platform, candidate: Platform) -> bool:
    """Whether an image for `candidate` runs where `wanted` does: amd64 runs 386, arm/v7 arm/v6."""
    wanted, candidate = normalize(wanted), normalize(candidate)
    return _system_matches(wanted, candidate) and _architecture_matches(wanted, candidate)


def matches_strictly(wanted: Platform, candidate: Platform) -> bool:
    """Whether `candidate` is `wanted` itself, however spelled."""
    wanted, candidate = normalize(wanted), normalize(candidate)
    return (
        _system_matches(wanted, candidate)
        and wanted.architecture == candidate.architecture
        and wanted.variant == candidate.variant
    )


def matches_system(wanted: Platform, candidate: Platform) -> bool:
    """Whether `candidate` has the operating system of `wanted`, on any architecture."""
    return _system_matches(normalize(wanted), normalize(candidate))


def matches_any(wanted: Iterable[Platform], candidate: Platform) -> bool:
    """Whether `candidate` is one of `wanted`."""
    return any(matches_strictly(one, candidate) for one in wanted)


def best(wanted: Platform, candidates: Sequence[Platform]) -> int | None:
    """The index of the candidate that suits `wanted` best, the first among equals; None if none."""
    wanted = normalize(wanted)
    ranked = [
        (_rank(wanted, normalize(candidate)), -at)
        for at, candidate in enumerate(candidates)
        if matches(wanted, candidate)
    ]
    return -max(ranked)[1] if ranked else None


def ordered(wanted: Platform, candidates: Iterable[Platform]) -> list[Platform]:
    """The same platforms: `wanted` itself first, then its operating system, then the others.

    Of those that are `wanted`, one that uses more of its features comes first.
    """

    def place(one: Platform) -> tuple[bool, bool, int]:
        is_same = matches_strictly(wanted, one)
        return not matches_system(wanted, one), not is_same, -len(one.os_features) * is_same

    return sorted(candidates, key=place)


def _rank(wanted: Platform, candidate: Platform) -> tuple[bool, list[int], list[int], int]:
    return (
        candidate.architecture == wanted.architecture,
        _level(candidate)[1],
        [int(part[:18]) for part in re.findall(r"[0-9]+", candidate.os_version)],
        len(candidate.os_features),
    )


def _system_matches(wanted: Platform, candidate: Platform) -> bool:
    """Both normalised."""
    features = set(candidate.os_features)
    if wanted.os == "windows":
        features.discard("win32k")  # every Windows but Nano Server has it
    return (
        wanted.os == candidate.os
        and (wanted.os != "windows" or _windows_runs(wanted.os_version, candidate.os_version))
        and features <= set(wanted.os_features)
    )


def _windows_runs(host: str, image: str) -> bool:
    """Whether a Windows host runs an image: the same build, or from Server 2022 on an older one."""
    have, need = _windows_version(host), _windows_version(image)
    if have is None or not image:
        return True
    if need is None or have[:2] != need[:2]:
        return False
    if have[2] < _SERVER_2022:
        return have[2] == need[2]
    return _SERVER_2022 <= need[2] <= have[2]


def _windows_version(text: str) -> tuple[int, int, int] | None:
    parts = text.split(".")[:3]
    if len(parts) < 3 or not all(re.fullmatch("[0-9]{1,9}", part) for part in parts):
        return None
    return int(parts[0]), int(parts[1]), int(parts[2])


def _architecture_matches(wanted: Platform, candidate: Platform) -> bool:
    """Both normalised."""
    pair = (wanted.architecture, candidate.architecture)
    if pair == ("amd64", "386"):
        return True
    if pair == ("arm64", "arm"):
        return _runs(replace(wanted, architecture="arm", variant="v8"), candidate, floor=[5])
    if pair[0] != pair[1]:
        return False
    if wanted.variant == candidate.variant:
        return True
    if pair[0] == "arm64":
        return _arm64_runs(wanted, candidate)
    return _runs(wanted, candidate, floor={"amd64": [1], "arm": [5]}.get(pair[0], [0]))


def _runs(wanted: Platform, candidate: Platform, floor: list[int]) -> bool:
    shape, have = _level(wanted)
    other, need = _level(candidate)
    if wanted.architecture not in ("amd64", "arm") and not candidate.variant:
        return True
    return shape == other is not None and floor <= need <= have


def _arm64_runs(wanted: Platform, candidate: Platform) -> bool:
    """v9.x runs v9.0 to v9.x and v8.0 to v8.(x+5), from which it branched off."""
    shape, have = _level(wanted)
    other, need = _level(candidate)
    if shape != ("v", "") or other != shape or max(len(have), len(need)) > 2:
        return False
    have, need = [*have, 0][:2], [*need, 0][:2]
    if have[0] == need[0]:
        return need[1] <= have[1]
    return (have[0], need[0]) == (9, 8) and need[1] <= have[1] + 5


def _level(platform: Platform) -> tuple[tuple[str, str] | None, list[int]]:
    """A variant's shape and the numbers in it: `v8.2` is (("v", ""), [8, 2])."""
    lowest = {"amd64": "v1", "arm64": "v8"}.get(platform.architecture, "")
    match = re.fullmatch(_VERSION, platform.variant or lowest)
    if not match:
        return None, []
    return (match[1], match[3]), [int(part[:18]) for part in match[2].split(".")]


def _system(text: str) -> str:
    lowered = text.lower()
    return {"macos": "darwin", "": "linux"}.get(lowered, lowered)


def _architecture(architecture: str, variant: str) -> tuple[str, str]:
    architecture, variant = architecture.lower(), variant.lower()
    match architecture:
        case "i386":
            return "386", ""
        case "x86_64" | "x86-64" | "amd64":
            return "amd64", "" if variant == "v1" else variant
        case "aarch64" | "arm64":
            known = {"8": "", "v8": "", "v8.0": "", "9": "v9", "9.0": "v9", "v9.0": "v9"}
            return "arm64", known.get(variant, variant)
        case "armhf":
            return "arm", "v7"
        case "armel":
            return "arm", "v6"
        case "arm":
            known = {"": "v7", "7": "v7", "5": "v5", "6": "v6", "8": "v8"}
            return "arm", known.get(variant, variant)
    return architecture, variant


def _escape(text: str) -> str:
    for character in "%+()/":
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def _unescape(text: str, whole: str) -> str:
    def character(match: re.Match[str]) -> str:
        if len(match[0]) != 3:
            raise Invalid(f'"{whole}" is not a platform: "{match[0]}" is not an escape')
        return chr(int(match[0][1:], 16))

    if "%" not in text:
        return text
    return re.sub(r"%(?:[0-9A-Fa-f]{2})?", character, text)
