"""BuildKit's and moby's own parser cases: nodes, words, heredocs, directives, ignore files, git."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from lamina.dockerfile import (
    DockerfileErrors,
    directives,
    git,
    heredocs,
    parse,
    parse_nodes,
    patterns,
    words,
)
from lamina.dockerfile import instructions as ins
from lamina.dockerfile.ignore import Ignore, read_patterns
from lamina.dockerfile.nodes import NotStrings, parse_json, split_words
from lamina.dockerfile.ports import parse_ports
from lamina.errors import Invalid

CASES = Path(__file__).parents[2] / "../shared/cases/parser"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="../shared/cases is not here")


@cache
def peer() -> ModuleType:
    """The sibling module that knows the peer's names."""
    path = Path(__file__).with_name("test_dockerfiles.py")
    spec = importlib.util.spec_from_file_location("corpus_dockerfiles", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def rows(kind: str) -> list[dict]:
    path = CASES / f"{kind}.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]


def parsed(row: dict) -> bool:
    """Same nodes, dump, escape, warnings and acceptance."""
    text = row["dockerfile"]
    try:
        nodes = parse_nodes(text)
    except DockerfileErrors:
        return False
    dumped = "\n".join(f"({peer().dump(node)})" for node in nodes)
    lines = (row.get("start_line", nodes[0].start_line), row.get("end_line", nodes[-1].end_line))
    if (nodes[0].start_line, nodes[-1].end_line) != lines:
        return False
    if not peer().nodes_equal(nodes, row["nodes"]) or dumped != row["dump"].strip():
        return False
    try:
        file = parse(text)
    except DockerfileErrors:
        return bool(row["instructions_error"])
    warnings = [warning.message for warning in file.warnings if warning.url]
    accepted = not row.get("instructions_error")
    return accepted and warnings == row["warnings"] and file.escape == row["escape"]


def refused(row: dict) -> bool:
    try:
        parse_nodes(row["dockerfile"])
    except DockerfileErrors:
        return True
    if row["rejected_by"] == "parser":
        return False
    try:
        parse(row["dockerfile"])
    except DockerfileErrors as error:
        assert error.render()
        return True
    return False


def shell_word(row: dict) -> bool:
    options = row["options"]
    flags = {
        "escape": row["escape"],
        "keep_quotes": options.get("raw_quotes", False),
        "keep_escapes": options.get("raw_escapes", False),
        "keep_unset": options.get("skip_unset_env", False),
    }
    try:
        got = words.examine(row["word"], row["env"], **flags)
        assert words.expand(row["word"], row["env"], **flags) == got.text
        assert words.expand_to_words(row["word"], row["env"], **flags) == list(got.words)
    except Invalid:
        return bool(row["error"])
    if row["error"]:
        return False
    wanted = (row["result"], row["words"], sorted(row["unmatched"]))
    return (got.text, list(got.words), sorted(got.missing)) == wanted


def shell_fixture(row: dict) -> bool:
    read: Callable[..., object] = words.expand if row["what"] == "word" else words.expand_to_words
    try:
        got = read(row["input"], row["env"])
    except Invalid:
        return bool(row["error"])
    return not row["error"] and got == row["expected"]


def shell_pattern(row: dict) -> bool:
    try:
        got = patterns.pattern_to_regex(row["input"], greedy=True, anchored=True)
    except Invalid:
        return bool(row.get("error"))
    return got == row.get("expected")


def word_list(row: dict) -> bool:
    return split_words(row["input"], "\\") == row["expected"]


def ignore_file(row: dict) -> bool:
    return [pattern for _, pattern in read_patterns(row["text"])] == row["patterns"]


def ignore_match(row: dict) -> bool:
    try:
        return Ignore.from_patterns(row["patterns"]).ignores(row["path"]) == row["ignored"]
    except Invalid:
        return bool(row["error"])


def ignore_single(row: dict) -> bool:
    try:
        return Ignore.from_patterns([row["pattern"]]).ignores(row["path"]) == row["match"]
    except Invalid:
        return bool(row["error"])


def heredoc(row: dict) -> bool:
    if row["what"] == "heredoc-word":
        try:
            mark = heredocs.parse_mark(row["input"])
        except Invalid:
            return not row["valid"]
        return bool(row["valid"]) and (mark is not None) == row["is_heredoc"]
    if row["what"] == "heredocs-from-line":
        return [mark.name for mark in heredocs.marks_of(row["input"])] == row["names"]
    file = parse("FROM scratch\n" + row["dockerfile"])
    (each,) = file.stages[0].instructions
    if isinstance(each, ins.Copy):
        return bool(peer().as_peer_command(each)["SourcesAndDest"] == row["sourcesAndDest"])
    assert isinstance(each, ins.Run)
    got = peer().as_peer_command(each)["ShellDependantCmdLine"]
    return bool(
        got == {"CmdLine": row["command"], "Files": row["files"], "PrependShell": row["shell"]}
    )


def directive(row: dict) -> bool:
    data = row["dockerfile"].encode()
    if row["what"] != "all-directives":
        found = directives.detect(row["what"], data, any_form=row["what"] == "syntax")
        if found is None:
            return not row["found"]
        got = (found.first_word, found.value, found.span.start_line)
        return bool(row["found"]) and got == (row["value"], row["cmdline"], row["line"])
    # A reader may begin later in the file, or with another mark: only the first line tells.
    first = row["directives"][0]["line"] if row["directives"] else 1
    reader = directives.Directives("//" if data.startswith(b"//") else "#")
    try:
        for number, line in enumerate(data.decode().split("\n"), first):
            reader.read(line, number)
    except Invalid:
        return bool(row["error"])
    got_all = [
        {"name": each.name, "value": each.value, "line": each.span.start_line}
        for each in reader.found.values()
    ]
    return got_all == row["directives"] and not row["error"]


def json_array(row: dict) -> bool:
    try:
        got = parse_json(row["input"])
    except NotStrings:
        return not row["valid"]
    if got is None:
        return not row["valid"]
    return bool(row["valid"]) and list(got) == row["expected"]


def line_number(row: dict) -> bool:
    nodes = parse_nodes(row["dockerfile"])
    return [[node.start_line, node.end_line] for node in nodes] == row["lines"]


def expose_port(row: dict) -> bool:
    try:
        got = parse_ports(row["spec"])
    except Invalid:
        return bool(row.get("error"))
    return not row.get("error") and got == row["expected"]


def git_url(row: dict) -> bool:
    try:
        url = git.parse_url(row["url"])
    except Invalid:
        return bool(row["err"])
    user = None
    if url.user is not None:
        user = {
            "password": url.password or "",
            "passwordSet": url.password is not None,
            "username": url.user,
        }
    got = {
        "Host": url.host,
        "Opts": None if url.fragment is None else {"Ref": url.ref, "Subdir": url.subdir},
        "Path": url.path,
        "Query": {key: list(values) for key, values in url.query.items()},
        "Remote": "",  # the peer's answers leave it out
        "Scheme": url.scheme,
        "User": user,
    }
    return not row["err"] and got == row["result"]


def git_ref(row: dict) -> bool:
    try:
        ref = git.parse_ref(row["ref"])
    except Invalid:
        return row["expected"] is None
    got = {
        "Checksum": ref.checksum,
        "FetchByCommit": ref.fetch_by_commit,
        "IndistinguishableFromLocal": ref.looks_local,
        "KeepGitDir": ref.keep_git_dir,
        "MTime": ref.mtime,
        "Ref": ref.ref,
        "Remote": ref.remote,
        "ShortName": ref.short_name,
        "SubDir": ref.subdir,
        "Submodules": ref.submodules,
        "UnencryptedTCP": ref.is_unencrypted,
    }
    return got == row["expected"]


def git_fragment(row: dict) -> bool:
    # Two functions answered: one drops the subdirectory, the other keeps it.
    forms = [git.as_fragment(row["ref"], with_subdir=keeps) for keeps in (False, True)]
    if not row["ok"]:
        return forms == [None, None] and row["expected"] == row["ref"]
    return row["expected"] in forms


KINDS: dict[str, Callable[[dict], bool]] = {
    "positive": parsed,
    "parsed": parsed,
    "negative": refused,
    "shell_words": shell_word,
    "shell_fixtures": shell_fixture,
    "shell_patterns": shell_pattern,
    "words": word_list,
    "dockerignore_file": ignore_file,
    "dockerignore_match": ignore_match,
    "dockerignore_single": ignore_single,
    "heredoc": heredoc,
    "directives": directive,
    "json_arrays": json_array,
    "line_numbers": line_number,
    "expose_ports": expose_port,
    "git_urls": git_url,
    "git_refs": git_ref,
    "git_fragment": git_fragment,
}


def failing(kind: str) -> list[str]:
    return [row["id"] for row in rows(kind) if not KINDS[kind](row)]


def score() -> list[tuple[str, int, int, list[str]]]:
    """(kind, passed, total, failing ids) of each kind; empty where the cases are missing."""
    scores = []
    for kind in KINDS if CASES.exists() else ():
        lost = failing(kind)
        scores.append((f"parser: {kind}", len(rows(kind)) - len(lost), len(rows(kind)), lost))
    return scores


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_answered_as_the_peer_does(kind: str) -> None:
    lost = failing(kind)
    print(f"{kind}: {len(rows(kind)) - len(lost)} of {len(rows(kind))}")
    assert not lost
