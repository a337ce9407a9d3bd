import pytest

from lamina.errors import Invalid
from lamina.oci import reference
from lamina.oci.digest import Digest
from lamina.oci.reference import BadReference

DIGEST = Digest.of(b"")


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("alpine", "docker.io/library/alpine", "alpine"),
        ("alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"),
        ("me/app", "docker.io/me/app", "me/app"),
        ("docker.io/alpine", "docker.io/library/alpine", "alpine"),
        ("index.docker.io/me/app", "docker.io/me/app", "me/app"),
        ("localhost/app", "localhost/app", "localhost/app"),
        ("localhost:5000/app:x", "localhost:5000/app:x", "localhost:5000/app:x"),
        ("ghcr.io/a/b/c", "ghcr.io/a/b/c", "ghcr.io/a/b/c"),
        ("[::1]:5000/a", "[::1]:5000/a", "[::1]:5000/a"),
        ("docker.io/library/a/b", "docker.io/library/a/b", "library/a/b"),
        (f"a:b@{DIGEST}", f"docker.io/library/a:b@{DIGEST}", f"a:b@{DIGEST}"),
        ("LOCALHOST/a", "LOCALHOST/a", "LOCALHOST/a"),
    ],
)
def test_docker_hub_is_the_default(text: str, full: str, familiar: str) -> None:
    found = reference.parse(text)
    assert (str(found), found.familiar()) == (full, familiar)
    assert reference.parse(full) == reference.parse(familiar) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Alpine",
        "me/App",
        "a b",
        "-a",
        "a-",
        "a//b",
        "a/",
        "/a",
        "a:",
        "a:-b",
        "a@",
        "a@sha256:abc",
        "a@md5:" + "a" * 32,
        "a:" + "t" * 129,
        "a" * 256,
        "a" * 64,
        "https://a/b",
        "a..b",
        "a___b",
        "a\n",
        "a:b\n",
        "a:é",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        reference.parse(text)


def test_a_capital_letter_gets_a_suggestion() -> None:
    with pytest.raises(BadReference) as caught:
        reference.parse("me/App:X")
    assert caught.value.hint == 'did you mean "me/app:X"?'


def test_latest_is_added_only_where_nothing_is_said() -> None:
    assert str(reference.parse("a").with_default_tag()) == "docker.io/library/a:latest"
    assert reference.parse("a:b").with_default_tag().tag == "b"
    assert reference.parse(f"a@{DIGEST}").with_default_tag().tag is None


@pytest.mark.parametrize(
    ("pattern", "text", "matched"),
    [
        ("alpine", "alpine:3", True),
        ("alpine:*", "alpine:3", True),
        ("alp", "alpine", False),
        ("*", "me/app", False),
        ("*/*", "me/app:1", True),
        ("me/a[a-z]p", "me/app", True),
        ("me/a[^a-z]p", "me/app", False),
        ("me/a[!p]p", "me/app", True),  # "!" is a character like any other, as in Go
        ("me/a\\pp", "me/app", True),
        ("me/?pp", "me/app", True),
        ("me?app", "me/app", False),
        ("me[/]app", "me/app", False),
    ],
)
def test_patterns_match_familiar_forms(pattern: str, text: str, matched: bool) -> None:
    assert reference.familiar_match(pattern, reference.parse(text)) is matched


@pytest.mark.parametrize("pattern", ["[", "a[b", "a[]", "a[-]", "a\\", "a[b-]"])
def test_a_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadReference):
        reference.familiar_match(pattern, reference.parse("a"))
