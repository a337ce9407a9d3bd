"""registries.conf: what it says, how files are merged, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errors import Invalid, Unsupported
from lamina.remote.hosts.registries import PullFrom, Registries, ShortNames, parse, read


def of(text: str, before: Registries | None = None) -> Registries:
    return parse(text.encode(), "registries.conf", before)


FULL = """
unqualified-search-registries = ["example.com", "quay.io"]
short-name-mode = "enforcing"
credential-helpers = ["containers-auth.json", "pass"]
something-new = 1
[aliases]
debian = "docker.io/library/debian"
[[registry]]
prefix = "example.com/foo"
location = "inner.net/bar"
insecure = true
colour = "blue"
[[registry.mirror]]
location = "m0.local/foo/"
[[registry.mirror]]
location = "m1.local:5000"
insecure = true
pull-from-mirror = "digest-only"
[[registry]]
location = "quay.io"
blocked = true
mirror-by-digest-only = true
[[registry.mirror]]
location = "m2.local"
"""


def test_everything_is_read() -> None:
    found = of(FULL)
    assert found.search == ("example.com", "quay.io")
    assert found.short_names is ShortNames.ENFORCING
    assert found.credential_helpers == ("containers-auth.json", "pass")
    assert found.aliases == {"debian": "docker.io/library/debian"}
    foo, quay = found.tables.values()
    assert (foo.prefix, foo.location, foo.insecure, foo.blocked) == (
        "example.com/foo",
        "inner.net/bar",
        True,
        False,
    )
    assert [(m.location, m.insecure, m.pull_from) for m in foo.mirrors] == [
        ("m0.local/foo", False, PullFrom.ALL),
        ("m1.local:5000", True, PullFrom.DIGEST_ONLY),
    ]
    assert (quay.prefix, quay.blocked, quay.mirrors[0].pull_from) == (
        "quay.io",
        True,
        PullFrom.DIGEST_ONLY,
    )


TABLES = """
[[registry]]
location = "a.com"
[[registry]]
location = "a.com/ns"
[[registry]]
location = "a.com/ns/repo"
[[registry]]
prefix = "*.b.com"
[[registry]]
prefix = "*.deep.b.com"
"""


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("a.com/x", "a.com"),
        ("a.com:5000/x", "a.com"),
        ("a.com/ns/x", "a.com/ns"),
        ("a.com/nsx", "a.com"),
        ("a.com/ns/repo", "a.com/ns/repo"),
        ("a.com/ns/repository", "a.com/ns"),
        ("a.community/x", None),
        ("b.com/x", None),
        ("x.b.com/y", "*.b.com"),
        ("x.y.b.com:5000/z", "*.b.com"),
        ("x.deep.b.com/y", "*.deep.b.com"),
        ("evil.io/x.b.com/y", None),
        ("x.b.community/y", None),
    ],
)
def test_the_longest_prefix_is_found(name: str, prefix: str | None) -> None:
    found = of(TABLES).find(name)
    assert (found[0].prefix if found else None) == prefix


def test_later_files_replace_tables_and_settings_and_add_aliases() -> None:
    later = """
    unqualified-search-registries = ["other.io"]
    [aliases]
    debian = ""
    alpine = "quay.io/alpine"
    [[registry]]
    location = "quay.io"
    [[registry]]
    location = "new.io"
    """
    found = of(later, of(FULL))
    assert list(found.tables) == ["example.com/foo", "quay.io", "new.io"]
    assert not found.tables["quay.io"].blocked
    assert found.search == ("other.io",)
    assert found.short_names is ShortNames.ENFORCING
    assert found.aliases == {"alpine": "quay.io/alpine"}


def test_files_of_a_directory_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    main, more = tmp_path / "registries.conf", tmp_path / "registries.conf.d"
    more.mkdir()
    (more / "b.conf").write_text('unqualified-search-registries = ["b.io"]')
    (more / "a.conf").write_text('unqualified-search-registries = ["a.io"]')
    (more / "c.conf.bak").write_text("nonsense")
    assert read(main, [tmp_path / "nothing", more]).search == ("b.io",)


def test_no_file_is_no_setting(tmp_path: Path) -> None:
    assert read(tmp_path / "none", [tmp_path / "none.d"]) == Registries()
    assert read(None) == Registries()


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("nonsense", "not TOML"),
        ("registry = 1", "registry"),
        ('[[registry]]\nlocation = "a.io"\ninsecure = "yes"', r"registry\[0\].insecure"),
        ('[[registry]]\nprefix = "a.io"', r"registry\[0\].location"),
        ("[[registry]]\ninsecure = true", r"registry\[0\].location"),
        ('[[registry]]\nlocation = "https://a.io"', r"registry\[0\].location"),
        ('[[registry]]\nlocation = "/"', r"registry\[0\].location"),
        ('[[registry]]\nlocation = "a.io/../x"', r"registry\[0\].location"),
        ('[[registry]]\nprefix = "*.a.io/x"\nlocation = "b.io"', r"registry\[0\].prefix"),
        ('[[registry]]\nprefix = "a.*.io"\nlocation = "b.io"', r"registry\[0\].prefix"),
        (
            '[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\ninsecure = true',
            r"registry\[0\].mirror\[0\].location",
        ),
        (
            '[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\nlocation = "b.io"\n'
            'pull-from-mirror = "never"',
            "pull-from-mirror",
        ),
        (
            '[[registry]]\nlocation = "a.io"\nmirror-by-digest-only = true\n'
            '[[registry.mirror]]\nlocation = "b.io"\npull-from-mirror = "all"',
            "pull-from-mirror",
        ),
        ('short-name-mode = "loud"', "short-name-mode"),
        ('unqualified-search-registries = ["a.io/x"]', "unqualified-search-registries"),
        ('[aliases]\nx = "no-domain/x"', "aliases.x"),
        ('[aliases]\nx = "a.io/x:tag"', "aliases.x"),
    ],
)
def test_a_wrong_value_is_refused_with_its_file_and_key(text: str, culprit: str) -> None:
    with pytest.raises(Invalid, match=culprit) as caught:
        of(text)
    assert "registries.conf" in str(caught.value)


def test_version_1_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match=r'"registries\.conf" is of version 1'):
        of("[registries.search]\nregistries = ['a.io']")


def test_a_prefix_with_a_tag_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="with a tag"):
        of('[[registry]]\nprefix = "a.io/x:1"\nlocation = "b.io/x"')


def test_one_location_cannot_be_both_blocked_and_not(tmp_path: Path) -> None:
    file = tmp_path / "registries.conf"
    file.write_text(
        '[[registry]]\nlocation = "a.io"\nblocked = true\n'
        '[[registry]]\nprefix = "b.io"\nlocation = "a.io"\n'
    )
    with pytest.raises(Invalid, match=r'"a\.io" is given twice, and "blocked"'):
        read(file)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("debian", "docker.io/library/debian"),
        ("debian:13", "docker.io/library/debian:13"),
        ("debian@sha256:ab", "docker.io/library/debian@sha256:ab"),
        ("team/app:1", "quay.io/team/application:1"),
        ("debian/app", "debian/app"),
        ("localhost:5000/debian", "localhost:5000/debian"),
        ("other", "other"),
    ],
)
def test_an_alias_is_replaced_by_what_it_stands_for(text: str, expected: str) -> None:
    aliases = {"debian": "docker.io/library/debian", "team/app": "quay.io/team/application"}
    assert Registries(aliases=aliases).expanded(text) == expected
