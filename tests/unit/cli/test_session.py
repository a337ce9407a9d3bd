from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.cli import commands, failures, help, main
from lamina.cli.command import Command, UsageError
from lamina.cli.commands import ENTRIES, GROUPS, Entry
from lamina.cli.session import GLOBAL, Session
from lamina.cli.settings import from_environment
from lamina.errors import Invalid, NotFound

ROOT = Path(__file__).parents[3]


def run(*argv: str, **environment: str) -> int:
    return Session(argv, {"LAMINA_ROOT": "/nonexistent/lamina", **environment}).run()


def test_the_version_is_the_packages() -> None:
    found = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert found is not None
    assert found[1] == main.VERSION


def test_the_version_imports_next_to_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); sys.argv = ['lamina', '--version'];"
        "from lamina.cli.main import run; run();"
        "print(*sorted(set(sys.modules) - before))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[1].split() == [
        "__future__",
        "lamina",
        "lamina.cli",
        "lamina.cli.main",
    ]


@pytest.mark.parametrize("argv", [("--version",), ("-v",), ("-D", "--version")])
def test_the_version_is_printed(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(argv) == 0
    assert capsys.readouterr().out == f"lamina version {main.VERSION}\n"


@pytest.mark.parametrize("argv", [(), ("--help",), ("help",), ("-h",)])
def test_help_is_grouped(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(argv) == 0
    out = capsys.readouterr().out
    headings = [line for line in out.splitlines() if line.endswith(":")]
    assert headings == ["Common Commands:", "Management Commands:", "Commands:", "Global Options:"]


@pytest.mark.parametrize(
    "argv", [("images", "--help"), ("help", "images"), ("image", "ls", "-h")], ids=" ".join
)
def test_a_command_has_help(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*argv) == 0
    out = capsys.readouterr().out
    assert "[OPTIONS] [REPOSITORY[:TAG]]" in out
    assert "lamina images, lamina image ls, lamina image list" in out
    assert "  -q, --quiet " in out


@pytest.mark.parametrize("argv", [("image",), ("image", "--help"), ("help", "image")], ids=" ".join)
def test_a_group_has_help(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*argv) == 0
    assert "Usage:  lamina image COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message", "status"),
    [
        (("imags",), 'lamina: unknown command "lamina imags"; did you mean "image', 1),
        (("image", "lss"), 'unknown command "lamina image lss"; did you mean "ls"?', 1),
        (("images", "--quite"), 'unknown flag "--quite"; did you mean "--quiet"?', 125),
        (("rmi",), "'lamina rmi' requires at least 1 argument", 1),
        (("--nope",), 'unknown flag "--nope"', 125),
        (("completion", "tcsh"), 'shell "tcsh" is not known', 125),
        (("history", "x"), 'no image "x" here', 1),
        (("help", "nothing"), "unknown command", 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_are_told(
    argv: tuple[str, ...], message: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*argv) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_every_group_is_described() -> None:
    used = {words.split()[0] for e in ENTRIES for words in (e.name, *e.also) if " " in words}
    assert used - {"buildx"} == set(GROUPS)


def test_no_spelling_stands_for_two_commands() -> None:
    spellings = [words for entry in ENTRIES for words in (entry.name, *entry.also)]
    assert len(spellings) == len(set(spellings))


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.name for entry in ENTRIES])
def test_every_command_is_whole(entry: Entry) -> None:
    command = commands.load(entry)
    names = [flag.name for flag in command.flags]
    shorts = [flag.short for flag in command.flags if flag.short]
    assert len(names) == len(set(names))
    assert len(shorts) == len(set(shorts))
    shown = [flag for flag in command.flags if not flag.hidden]
    assert [flag.name for flag in shown if not flag.help or flag.help.endswith(".")] == []
    text = help.command_help(entry, entry.name, command)
    assert all(len(line) <= 100 for line in text.splitlines())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("completion", shell) == 0
    out = capsys.readouterr().out
    assert all(entry.name.split()[-1] in out for entry in ENTRIES)
    assert "no-trunc" in out


def test_bash_reads_its_completion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("completion", "bash")
    script = tmp_path / "completion.bash"
    script.write_text(
        capsys.readouterr().out
        + "\ncompopt() { :; }"
        + '\ncomplete_() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lamina;'
        + ' echo "${COMPREPLY[*]}"; }'
        + "\ncomplete_ lamina ima\ncomplete_ lamina image hi\ncomplete_ lamina images --no"
    )
    out = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=True)
    assert out.stderr == ""
    assert out.stdout.splitlines() == ["image images", "history", "--no-trunc"]


class Broken(Invalid):
    exit_status = 127


@pytest.mark.parametrize(
    ("error", "failure", "text", "status"),
    [
        (KeyboardInterrupt(), 1, "", 130),
        (BrokenPipeError(), 1, "", 141),
        (NotFound("gone", hint="look"), 125, "lamina: gone\nhint: look", 125),
        (Broken("no command"), 125, "lamina: no command", 127),
        (OSError(28, "x", "/a"), 1, 'lamina: "/a": no space left on device\nhint: free', 1),
        (ZeroDivisionError("x"), 1, "lamina: sorry, this is a fault of Lamina's own", 1),
        (
            UsageError("bad", words="rm", usage="X", exit_status=125),
            1,
            "lamina: bad\n\nUsage:  lamina rm X\n\nRun 'lamina rm --help'",
            125,
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_failures_have_a_status(error: BaseException, failure: int, text: str, status: int) -> None:
    shown, code = failures.report(error, failure=failure)
    assert shown.startswith(text)
    assert code == status


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(args: object, engine: object) -> int:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("lamina.cli.session.load", lambda entry: Command(run=fail, failure=125))


@pytest.mark.usefixtures("broken")
def test_a_fault_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("images") == 125
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.usefixtures("broken")
def test_a_fault_is_whole_when_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("images", LAMINA_DEBUG="1") == 125
    assert "Traceback" in capsys.readouterr().err
    assert run("--debug", "images") == 125
    assert "Traceback" in capsys.readouterr().err


def test_settings_come_from_flag_then_environment_then_habit() -> None:
    assert from_environment({"LAMINA_ROOT": "/a"}, root="/b").root == "/b"
    assert from_environment({"LAMINA_ROOT": "/a"}).root == "/a"
    usual = from_environment({"XDG_DATA_HOME": "/data"}).root
    assert usual == ("/var/lib/lamina" if os.geteuid() == 0 else "/data/lamina")
    assert from_environment({"SOURCE_DATE_EPOCH": "5"}).source_date_epoch == 5
    with pytest.raises(Invalid, match="SOURCE_DATE_EPOCH"):
        from_environment({"SOURCE_DATE_EPOCH": "soon"})


def test_the_global_options_are_described() -> None:
    assert all(flag.help for flag in GLOBAL.flags)
