from __future__ import annotations

import pytest

from lamina.cli.command import Args, Command, Flag, Kind, UsageError
from lamina.cli.flags import HelpAsked, parse

COMMAND = Command(
    run=lambda args, engine: 0,
    usage="IMAGE [COMMAND]",
    flags=(
        Flag("interactive", "i", Kind.BOOL),
        Flag("tty", "t", Kind.BOOL),
        Flag("env", "e", Kind.LIST),
        Flag("name"),
        Flag("memory", "m", default="1g"),
        Flag("tail", "n", Kind.NUMBER),
        Flag("progress", implied="auto"),
    ),
    arguments=(1, None),
)


def read(*argv: str) -> Args:
    return parse("run", COMMAND, argv)


def test_shorts_combine() -> None:
    args = read("-it", "x")
    assert args.flag("interactive")
    assert args.flag("tty")


def test_a_bool_is_turned_off_with_equals() -> None:
    assert not read("--tty=false", "x").flag("tty")
    assert not read("-it=0", "x").flag("tty")
    assert read("-it=0", "x").flag("interactive")
    assert not read("x").flag("tty")


@pytest.mark.parametrize("spelling", [["-eA"], ["-e=A"], ["-e", "A"], ["--env", "A"], ["--env=A"]])
def test_values_are_given_in_every_way(spelling: list[str]) -> None:
    assert read(*spelling, "x").texts("env") == ("A",)


def test_repeated_flags_are_kept_in_order() -> None:
    assert read("-e", "A", "-ieB", "x").texts("env") == ("A", "B")


def test_the_last_of_a_text_counts() -> None:
    assert read("--name", "a", "--name", "b", "x").text("name") == "b"


def test_a_default_is_not_given() -> None:
    args = read("x")
    assert args.text("memory") == "1g"
    assert not args.given("memory")
    assert args.text("name") is None


def test_flags_may_follow_arguments() -> None:
    args = read("x", "-i", "y")
    assert args.flag("interactive")
    assert args.rest == ("x", "y")


def test_two_dashes_end_the_flags() -> None:
    assert read("--", "-i", "--nope").rest == ("-i", "--nope")


def test_a_single_dash_is_an_argument() -> None:
    assert read("-").rest == ("-",)


def test_the_first_argument_ends_the_flags_where_a_command_follows() -> None:
    command = Command(run=COMMAND.run, flags=COMMAND.flags, interspersed=False, arguments=(1, None))
    args = parse("run", command, ["-i", "x", "ls", "-t"])
    assert args.rest == ("x", "ls", "-t")
    assert not args.flag("tty")


def test_an_implied_value_needs_no_argument() -> None:
    assert read("--progress", "x").text("progress") == "auto"
    assert read("--progress=tty", "x").text("progress") == "tty"


def test_a_number_is_a_number() -> None:
    assert read("-n", "5", "x").number("tail") == 5
    assert read("x").number("tail") is None


def test_help_is_asked_for() -> None:
    for word in ("-h", "--help"):
        with pytest.raises(HelpAsked):
            read(word)


@pytest.mark.parametrize(
    ("argv", "message", "status"),
    [
        (["--nope", "x"], 'unknown flag "--nope"', 125),
        (["--nam", "a"], 'did you mean "--name"', 125),
        (["-iz", "x"], 'unknown shorthand flag "z" in "-iz"', 125),
        (["--name"], 'flag needs an argument: "--name"', 125),
        (["-e"], 'flag needs an argument: "-e"', 125),
        (["--tty=maybe", "x"], 'invalid argument "maybe" for "-t, --tty"', 125),
        (["-n", "many", "x"], 'invalid argument "many" for "-n, --tail"', 125),
        ([], "'lamina run' requires at least 1 argument", 1),
    ],
    ids=lambda value: str(value),
)
def test_refuses(argv: list[str], message: str, status: int) -> None:
    with pytest.raises(UsageError) as caught:
        read(*argv)
    assert message in caught.value.message
    assert caught.value.exit_status == status


@pytest.mark.parametrize(
    ("bounds", "argv", "message"),
    [
        ((0, 0), ["x"], "accepts no arguments"),
        ((1, 1), ["x", "y"], "requires 1 argument"),
        ((2, 2), ["x"], "requires 2 arguments"),
        ((0, 1), ["x", "y"], "requires at most 1 argument"),
        ((2, None), [], "requires at least 2 arguments"),
    ],
)
def test_counts_arguments(bounds: tuple[int, int | None], argv: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse("x", Command(run=COMMAND.run, arguments=bounds), argv)
