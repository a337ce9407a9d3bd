"""Whatever is thrown at the Dockerfile room, it answers or refuses; it never breaks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.dockerfile import DockerfileErrors, git, parse, words
from lamina.dockerfile.ignore import Ignore
from lamina.dockerfile.mounts import parse_mount
from lamina.dockerfile.ports import parse_ports
from lamina.errors import Invalid

PIECES = [
    *("FROM a\n", "FROM a AS b\n", "RUN ", "COPY ", "ADD ", "ENV ", "ONBUILD ", "HEALTHCHECK "),
    *("--mount=", "--from=b ", "--x ", "<<E", "<<-'E'", "\nE\n", "\\\n", "\\", "`", "\n", "#c\n"),
    *('["a"]', "[", '"', "'", "$", "${a", "}", "a=b ", " ", "\t", "# escape=`\n", "\0", "é", "x "),
]
text = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=20).map("".join))


@settings(max_examples=150, deadline=None)
@given(text)
def test_a_dockerfile_is_read_or_its_faults_are_shown(source: str) -> None:
    try:
        file = parse(source)
    except DockerfileErrors as error:
        assert error.faults
        assert len(error.render().splitlines()) >= 2
        return
    for each in file.instructions:
        assert 1 <= each.span.start_line <= each.span.end_line <= len(file.source.lines)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=60))
def test_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse(data)
    except DockerfileErrors as error:
        assert error.faults


@settings(max_examples=150, deadline=None)
@given(text, st.dictionaries(st.sampled_from(["a", "b", "x"]), st.text(max_size=5)))
def test_a_word_is_expanded_or_refused(word: str, env: dict[str, str]) -> None:
    for read in (words.expand, words.expand_to_words):
        try:
            read(word, env)
        except Invalid as error:
            assert error.message


@settings(max_examples=100, deadline=None)
@given(text)
def test_the_small_languages_answer_or_refuse(source: str) -> None:
    for read in (parse_mount, parse_ports, git.parse_ref, git.parse_url):
        try:
            read(source)
        except Invalid as error:
            assert error.message


names = st.text("abx", min_size=1, max_size=2)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
patterns = st.lists(
    st.tuples(
        st.sampled_from(["", "!"]),
        st.lists(st.sampled_from(["a", "b", "x", "*", "**", "?", "a*", "[ab]"]), min_size=1).map(
            "/".join
        ),
    ).map("".join),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(patterns, paths, paths)
def test_below_a_directory_that_may_be_skipped_everything_is_ignored(
    lines: list[str], directory: str, below: str
) -> None:
    ignore = Ignore.from_patterns(lines)
    if ignore.may_skip_dir(directory):
        assert ignore.ignores(f"{directory}/{below}")
    decisive = ignore.explain(below)
    assert (decisive is not None and not decisive.takes_back) == ignore.ignores(below)
