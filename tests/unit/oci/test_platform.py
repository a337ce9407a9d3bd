import pytest

from lamina.errors import Invalid
from lamina.oci import platform as platforms
from lamina.oci.platform import Platform


@pytest.mark.parametrize(
    "text",
    ["", "/", "linux/", "/amd64", "a/b/c/d", "linux amd64", "linux/*", "nonsense", "linux(%2)/x"],
)
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"platform|neither"):
        platforms.parse(text)


@pytest.mark.parametrize(
    "text", ["linux/amd64", "linux/arm/v6", "windows(10.0.17763+win32k)/amd64"]
)
def test_parse_and_format_are_inverses(text: str) -> None:
    assert platforms.format_all(platforms.parse(text)) == text


@pytest.mark.parametrize(
    ("wanted", "candidate", "matched"),
    [
        ("linux/amd64", "linux/386", True),
        ("linux/386", "linux/amd64", False),
        ("linux/amd64/v3", "linux/amd64/v2", True),
        ("linux/amd64/v2", "linux/amd64/v3", False),
        ("linux/arm/v7", "linux/arm/v6", True),
        ("linux/arm/v6", "linux/arm", False),
        ("linux/arm64", "linux/arm/v7", True),
        ("linux/arm64/v9", "linux/arm64/v8.5", True),
        ("linux/arm64/v9", "linux/arm64/v8.6", False),
        ("linux/riscv64/rva23u64", "linux/riscv64/rva20u64", True),
        ("linux/riscv64", "linux/riscv64/rva20u64", False),
        ("linux/ppc64le/power9", "linux/ppc64le/power10", False),
        ("linux/amd64", "darwin/amd64", False),
        ("windows(10.0.17763)/amd64", "windows(10.0.17763.1)/amd64", True),
        ("windows(10.0.17763)/amd64", "windows(10.0.20348)/amd64", False),
        ("windows(10.0.26100)/amd64", "windows(10.0.20348)/amd64", True),
        ("linux(+gpu)/amd64", "linux/amd64", True),
        ("linux/amd64", "linux(+gpu)/amd64", False),
    ],
)
def test_a_platform_runs_what_it_is_compatible_with(
    wanted: str, candidate: str, matched: bool
) -> None:
    assert platforms.matches(platforms.parse(wanted), platforms.parse(candidate)) is matched


@pytest.mark.parametrize(
    ("wanted", "candidates", "chosen"),
    [
        ("linux/amd64", ["linux/386", "linux/arm64", "linux/amd64"], 2),
        ("linux/amd64", ["linux/386", "linux/arm64"], 0),
        ("linux/amd64", ["linux/arm64"], None),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], 1),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], 1),
        ("linux/arm64", ["linux/arm/v7", "linux/arm64/v8"], 1),
        ("linux/amd64", ["linux/amd64", "linux/amd64"], 0),
        ("linux/amd64", [], None),
    ],
)
def test_the_best_candidate_is_the_closest(
    wanted: str, candidates: list[str], chosen: int | None
) -> None:
    found = [platforms.parse(text) for text in candidates]
    assert platforms.best(platforms.parse(wanted), found) == chosen


def test_this_host_has_a_platform() -> None:
    assert platforms.matches(platforms.default(), platforms.default())


def test_platforms_without_an_operating_system_are_unknown() -> None:
    assert str(Platform("", "amd64")) == "unknown"


@pytest.mark.parametrize("digits", ["9" * 5000, "٣"])
def test_absurd_versions_are_no_versions(digits: str) -> None:
    host = Platform("windows", "amd64", "", "10.0.17763")
    assert not platforms.matches(host, Platform("windows", "amd64", "", f"10.0.{digits}"))
    arm = Platform("linux", "arm64", f"v{digits}")
    assert not platforms.matches(Platform("linux", "arm64", "v9"), arm)
    assert platforms.best(arm, [arm]) == 0
