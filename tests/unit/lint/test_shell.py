"""Shell scripts into commands."""

from __future__ import annotations

import time

import pytest

from lamina.lint import shell
from lamina.lint.command import flags, has, has_flag, has_run, operands, value_of


def names(text: str) -> list[str]:
    return [command.name for command in shell.parse(text).commands]


def words(text: str) -> list[str]:
    (command,) = shell.parse(text).commands
    return [word.text for word in command.words]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a; b && c || d | e & f", "a b c d e f"),
        ("(a; (b)) && { c; }", "a b c"),
        ("if a; then b; elif c; then d; else e; fi", "a b c d e"),
        ("for i in 1 2 $(seq 3); do b $i; done", "seq b"),
        ("for ((i=0; i<3; i++)); do b; done", "b"),
        ("while a; do b; done < <(c)", "a b c"),
        ("until a; do until b; do c; done done", "a b c"),
        ('case "$x" in a|b) c ;; (*) d; esac; e', "c d e"),
        ("f() { a; }; function g { b; }; f", "a b f"),
        ("x=$(a | b) y=`c $(d)`", "a b c d"),
        ('a "$(b "$(c)")" ${x:-$(d)}', "a b c d"),
        ("[ -f /x ] && [[ $a =~ ^(b|c)$ ]] && d", "d"),
        ("! time -p a", "a"),
        ("a=(1 2 3) b[0]=4; c", "c"),
        ("A=1 B=2 c", "c"),
        ("exec a b", "a"),
        ("command a; builtin b; busybox c", "a b c"),
        ("$X install; ${Y} b; c", "c"),
        ("echo $((1 + $(a)))", "echo a"),
        ("echo $((a); b)", "echo a b"),
        ("echo $((a; b))", "echo a b"),
        ("a <<EOF && b\nnot a command\nEOF\nc", "a b c"),
        ("a <<-'EOF'\n\tx\n\tEOF\nb", "a b"),
        ("a # b; c\nd", "a d"),
        ("a \\\n  b; c", "a c"),
        ("bash -c `# nothing`", "bash"),
    ],
)
def test_every_command_is_found_in_its_order(text: str, expected: str) -> None:
    assert names(text) == expected.split()


@pytest.mark.parametrize(
    "text",
    [
        "a &&",
        "if a; then b",
        "a | ",
        "'a",
        '"a',
        "$(a",
        "${a",
        "`a",
        "a)",
        "fi",
        "case a in b",
        "{ a",
    ],
)
def test_what_is_no_script_has_no_commands(text: str) -> None:
    script = shell.parse(text)
    assert (script.commands, script.is_read) == ((), False)


def test_words_lose_their_quotes_and_escapes() -> None:
    assert words("a 'b c' \"d 'e'\" f\\ g $'h' i\"j\"'k' \\\"") == [
        *("a", "b c", "d 'e'", "f g", "h", "ijk", '"'),
    ]


def test_what_is_expanded_is_unknown() -> None:
    (command,) = shell.parse('a $x ${y} "$(z)" pre$x').commands[:1]
    assert [word.text for word in command.words[1:]] == [shell.UNKNOWN] * 3 + [
        "pre" + shell.UNKNOWN
    ]
    assert [word.is_plain for word in command.words] == [True, False, False, False, False]


def test_words_know_where_they_stand() -> None:
    text = "set -e; apt-get  install 'a b'"
    command = shell.parse(text).commands[1]
    assert [text[word.start : word.end] for word in command.words] == [
        "apt-get",
        "install",
        "'a b'",
    ]
    assert text[command.start : command.end] == "apt-get  install 'a b'"


def test_operators_depths_pipes_and_targets_are_kept() -> None:
    script = shell.parse("a > /x && b | (c 2>&1)")
    assert [(c.after, c.depth) for c in script.commands] == [("", 0), ("&&", 0), ("", 1)]
    assert [script.text[at] for at in script.pipes] == ["|"]
    assert [[target.text for target in c.targets] for c in script.commands] == [["/x"], [], ["1"]]


@pytest.mark.parametrize(
    "text", ["$((" * 3000, "${a:-" * 3000, "(" * 3000, '"$(' * 3000, "a;" * 30000, "`" * 999]
)
def test_hostile_text_takes_no_time(text: str) -> None:
    before = time.process_time()
    shell.parse(text)
    assert time.process_time() - before < 3


def test_flags_are_read_in_every_form() -> None:
    (command,) = shell.parse("x -ab --long --value=1 -u 7 --uid=8 -- - file").commands
    assert flags(command) == {"a", "b", "long", "value", "u", "uid"}
    assert has_flag(command, "q", "b")
    assert value_of(command, "u", "uid") == ["7", "8"]
    assert [word.text for word in operands(command, ("u",))] == ["--", "-", "file"]


def test_arguments_are_asked_for_by_word_and_by_run() -> None:
    (command,) = shell.parse("python3 -m pip install x").commands
    assert has(command, ("python", "python3"), "install")
    assert not has(command, "pip", "install")
    assert has_run(command, "-m", "pip", "install")
    assert not has_run(command, "-m", "install")
