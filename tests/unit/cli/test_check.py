"""`lamina check` and `lamina build --check`, as they are typed."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from lamina.cli.session import Session

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for name in [name for name in os.environ if name.startswith("HADOLINT_")]:
        monkeypatch.delenv(name)
    return tmp_path


def run(*argv: str) -> int:
    return Session(argv, {"LAMINA_ROOT": str(Path.cwd() / ".root")}).run()


def write(text: str, name: str = "Dockerfile") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def codes(out: Out) -> list[str]:
    return [each["code"] for each in json.loads(out.readouterr().out)]


def test_a_directory_is_a_context(capsys: Out) -> None:
    write("FROM a:1\nCOPY . /app\n", "app/Dockerfile")
    assert run("check", "--format=json", "app") == 1
    assert codes(capsys) == ["LM1201"]
    write(".git\n", "app/.dockerignore")
    assert run("check", "--format=json", "app") == 0
    assert codes(capsys) == []


def test_an_ignore_file_of_the_dockerfiles_own_comes_first(capsys: Out) -> None:
    write("FROM a:1\nCOPY x /app\n", "app/other")
    write("y\n", "app/.dockerignore")
    write("x\n", "app/other.dockerignore")
    assert run("check", "--format=json", "-f", "other", "app") == 1
    assert codes(capsys) == ["CopyIgnoredFile"]


def test_several_files_are_looked_at(capsys: Out) -> None:
    write("FROM a\n", "one")
    write("FROM a:1\nMAINTAINER x\n", "two")
    assert run("check", "--format", "tty", "one", "two") == 1
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["one:1", "two:2"]


def test_standard_input_is_looked_at(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"FROM a\n")))
    assert run("check", "--format=tty", "-") == 1
    assert capsys.readouterr().out.startswith("-:1 DL3006")


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        ((), 1),
        (("--fail-on", "error"), 0),
        (("--fail-on", "none"), 0),
        (("--no-fail",), 0),
        (("--error", "DL3006", "--fail-on=error"), 1),
        (("--ignore", "DL3006,DL3007"), 0),
        (("--only", "DL3007"), 0),
        (("--info", "DL3006"), 0),
    ],
)
def test_the_status_goes_by_the_threshold(flags: tuple[str, ...], status: int) -> None:
    write("FROM a\n")
    assert run("check", *flags) == status


def test_the_configuration_is_read_and_flags_outweigh_it(capsys: Out) -> None:
    write("FROM a\nMAINTAINER x\n")
    write("ignored: [DL3006]\nfailure-threshold: error\n", ".hadolint.yaml")
    assert run("check", "--format=json") == 0
    assert codes(capsys) == ["MaintainerDeprecated"]
    assert run("check", "--format=json", "--ignore", "DL4000", "--fail-on=warning") == 1
    assert codes(capsys) == ["DL3006", "MaintainerDeprecated"]


def test_a_configuration_at_home_is_read_where_there_is_none_here(capsys: Out) -> None:
    write("FROM a\nMAINTAINER x\n")
    write("ignored: [DL3006]\n", "home/.config/hadolint.yaml")
    write("ignored: [DL4000]\n", "home/.hadolint.yaml")
    assert run("check", "--format=json") == 1
    assert codes(capsys) == ["MaintainerDeprecated"]
    write("", ".hadolint.yaml")
    assert run("check", "--format=json") == 1
    assert codes(capsys) == ["DL3006", "MaintainerDeprecated"]


def test_variables_of_hadolint_are_read_and_flags_outweigh_them(
    capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("FROM a\nMAINTAINER x\n")
    monkeypatch.setenv("HADOLINT_IGNORE", "DL3006")
    monkeypatch.setenv("HADOLINT_FAILURE_THRESHOLD", "error")
    monkeypatch.setenv("HADOLINT_FORMAT", "json")
    assert run("check") == 0
    assert codes(capsys) == ["MaintainerDeprecated"]
    assert run("check", "--fail-on=warning", "--ignore=DL4000", "--format=tty") == 1
    assert capsys.readouterr().out.startswith("Dockerfile:1 DL3006")
    monkeypatch.setenv("HADOLINT_FORMAT", "codacy")
    assert run("check") == 1
    assert 'the format "codacy"' in capsys.readouterr().err
    assert run("check", "--format=tty") == 0


def test_labels_and_registries_are_asked_for_by_flags(capsys: Out) -> None:
    write("FROM x.io/a:1\nLABEL other=y\n")
    flags = ("--trusted-registry=y.io", "--require-label=mail:email", "--strict-labels")
    assert run("check", "--format=json", *flags) == 1
    assert codes(capsys) == ["DL3049", "DL3026", "DL3050"]


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (("--only", "DL9999"), '"DL9999" is no rule'),
        (("--format", "xml"), '"xml" is no format'),
        (("--fail-on", "often"), '"often" is no severity'),
        (("--require-label", "x"), '"x" names no label'),
        (("nowhere",), '"nowhere" does not exist'),
        (("--explain", "DL300"), '"DL300" is no rule'),
    ],
)
def test_what_makes_no_sense_is_refused(argv: tuple[str, ...], what: str, capsys: Out) -> None:
    write("FROM a:1\n")
    assert run("check", *argv) == 1
    assert what in capsys.readouterr().err


def test_a_rule_is_explained(capsys: Out) -> None:
    assert run("check", "--explain", "DL3008", "--explain=LM1001") == 0
    out = capsys.readouterr().out
    assert out.startswith("DL3008 (apt-unpinned), warning\n\nPackages of apt")
    assert "LM1001 (context-before-packages), info" in out


def test_fixing_writes_the_file_back(capsys: Out) -> None:
    path = write("FROM a:1 as b\nRUN pip install x==1\n")
    path.chmod(0o640)
    assert run("check", "--fix") == 0
    assert path.read_text() == "FROM a:1 AS b\nRUN pip install --no-cache-dir x==1\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert "2 mended" in capsys.readouterr().err


def test_a_build_can_be_checked_alone(capsys: Out) -> None:
    write("FROM scratch as b\nCOPY x /\n")
    assert run("build", "--check", ".") == 0
    assert "WARNING: FromAsCasing" in capsys.readouterr().out
    assert run("build", "--call=check,format=json", ".") == 0
    assert json.loads(capsys.readouterr().out)["warnings"][0]["ruleName"] == "FromAsCasing"


def test_a_check_fails_where_the_build_would(capsys: Out) -> None:
    write("FROM scratch as b\nBAD\n")
    assert run("build", "--check", ".") == 1
    out = capsys.readouterr().out
    assert "FromAsCasing" in out
    assert 'ERROR: unknown instruction "BAD"' in out
    write("# check=error=true\nFROM scratch as b\n")
    assert run("build", "--check", ".") == 1


def test_a_build_fails_on_advice_where_it_is_told_to(capsys: Out) -> None:
    write("# check=error=true\nFROM scratch as b\nLABEL a=b\n")
    assert run("build", "-q", ".") == 1
    err = capsys.readouterr().err
    assert "lint violation found for rules: FromAsCasing" in err
    assert "   2 | >>> FROM scratch as b" in err
    skip = "BUILDKIT_DOCKERFILE_CHECK=skip=FromAsCasing;error=true"
    assert run("build", "-q", "--build-arg", skip, ".") == 0


def test_arguments_and_targets_are_seen_by_checks(capsys: Out) -> None:
    write("ARG T\nFROM $T AS b\nFROM scratch AS c\nENV a b\n")
    assert run("build", "--check", "--build-arg", "T=scratch", "--target=b", ".") == 0
    out = capsys.readouterr().out
    assert "InvalidDefaultArgInFrom" in out
    assert "LegacyKeyValueFormat" not in out


@pytest.mark.parametrize(
    ("flag", "what"),
    [
        ("--call=subrequests.describe", "is not built yet"),
        ("--call=outline,format=xml", "invalid --call"),
        ("--call=nonsense", 'invalid --call "nonsense"'),
        ("--call=check,format=xml", "invalid --call"),
    ],
)
def test_other_calls_are_refused(flag: str, what: str, capsys: Out) -> None:
    write("FROM scratch\n")
    assert run("build", flag, ".") == 1
    assert what in capsys.readouterr().err


def test_what_an_image_of_the_store_sets_is_defined(capsys: Out) -> None:
    write("FROM scratch\nENV APP_UID=7\n", "base")
    assert run("build", "-q", "-t", "base:1", "-f", "base", ".") == 0
    write("FROM base:1\nUSER $APP_UID\nWORKDIR /$OTHER\n")
    capsys.readouterr()
    assert run("check", "--format=json", "--only=UndefinedVar") == 1
    assert [each["line"] for each in json.loads(capsys.readouterr().out)] == [3]
    assert run("build", "--check", ".") == 0
    assert "APP_UID" not in capsys.readouterr().out.split("WARNING")[1].split("\n")[1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--verify", "."), "give both"),
        (("--git", "-"), "standard input"),
        (("--image", "x", "-"), "standard input"),
        (("--git", "."), "no seconds to count with"),
        (("--image", "absent", "."), "absent"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    capsys: Out, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], message: str
) -> None:
    write("FROM a:1\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"FROM a:1\n")))
    assert run("check", *flags) != 0
    assert message in capsys.readouterr().err


def test_a_list_in_the_context_is_read_and_nothing_beyond(capsys: Out) -> None:
    text = "FROM a:1\nWORKDIR /app\nCOPY . .\nRUN pip install --no-cache-dir -r list.txt\n"
    path = write(text, "app/Dockerfile")
    write("secret==1\n", "list.txt")
    Path("app/list.txt").symlink_to("../list.txt")
    assert run("check", "--only=LM1002", "--fix", "app") == 0
    assert path.read_text() == text
    Path("app/list.txt").unlink()
    write("flask==3\n", "app/list.txt")
    assert run("check", "--only=LM1002", "--fix", "app") == 0
    assert "COPY list.txt ./\nRUN pip" in path.read_text()
    write("list.txt\n", "app/.dockerignore")
    path.write_text(text)
    assert run("check", "--only=LM1002", "--fix", "app") == 0
    assert path.read_text() == text
