"""Reads a command line as Docker's does (spf13/pflag's rules), against a `Command`'s flags.

`--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`; shorts of bools combine (`-it`);
a bool takes a value only with `=`; `--` ends the flags.
"""

from __future__ import annotations

from collections.abc import Sequence

from lamina.cli.command import Args, Command, Flag, Kind, UsageError

_BOOLS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), "true"),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), "false"),
}
HELP = Flag("help", "h", Kind.BOOL, "Show this help", hidden=True)


class HelpAsked(Exception):
    """`--help` stands among the flags."""


def parse(words: str, command: Command, argv: Sequence[str]) -> Args:
    """The command line `argv` (without the command's words); UsageError, or HelpAsked."""
    reading = _Reading(words, usage_of(command), (*command.flags, HELP))
    return reading.all(command, list(argv))


def usage_of(command: Command) -> str:
    """What follows the command's words in its usage line."""
    options = "[OPTIONS] " if any(not flag.hidden for flag in command.flags) else ""
    return (options + command.usage).rstrip()


class _Reading:
    def __init__(self, words: str, usage: str, flags: Sequence[Flag]) -> None:
        self.words = words
        self.usage = usage
        self.longs = {flag.name: flag for flag in flags}
        # `-h` is a command's own where it takes it (`run -h name`), and help's otherwise.
        self.shorts = {flag.short: flag for flag in reversed(flags) if flag.short}
        self.values: dict[str, list[str]] = {}

    def all(self, command: Command, argv: list[str]) -> Args:
        rest: list[str] = []
        while argv:
            word = argv.pop(0)
            if word == "--":
                rest += argv
                break
            if word.startswith("--"):
                self._long(word[2:], argv)
            elif word.startswith("-") and word != "-":
                self._shorts(word[1:], argv)
            elif command.interspersed:
                rest.append(word)
            else:
                rest += [word, *argv]
                break
        self._count(rest, *command.arguments)
        return Args(
            words=self.words,
            usage=self.usage,
            values={name: tuple(values) for name, values in self.values.items()},
            rest=tuple(rest),
            defaults={f.name: f.default for f in command.flags if f.default},
        )

    def _long(self, text: str, argv: list[str]) -> None:
        name, equals, value = text.partition("=")
        flag = self.longs.get(name)
        if flag is None:
            raise self._unknown(name)
        self._take(flag, f"--{name}", value if equals else None, argv)

    def _shorts(self, text: str, argv: list[str]) -> None:
        whole = text
        while text:
            letter, text = text[0], text[1:]
            flag = self.shorts.get(letter)
            if flag is None:
                raise self._wrong(f'unknown shorthand flag "{letter}" in "-{whole}"')
            if text.startswith("="):
                self._take(flag, f"-{letter}", text[1:], argv)
                return
            if flag.kind is Kind.BOOL or flag.implied is not None:
                self._take(flag, f"-{letter}", None, argv)
                continue
            self._take(flag, f"-{letter}", text or None, argv)
            return

    def _take(self, flag: Flag, spelled: str, value: str | None, argv: list[str]) -> None:
        if flag is HELP:
            raise HelpAsked
        if value is None:
            if flag.kind is Kind.BOOL:
                value = "true"
            elif flag.implied is not None:
                value = flag.implied
            elif argv:
                value = argv.pop(0)
            else:
                raise self._wrong(f'flag needs an argument: "{spelled}"')
        self.values.setdefault(flag.name, []).append(self._checked(flag, value))

    def _checked(self, flag: Flag, value: str) -> str:
        if flag.kind is Kind.BOOL:
            if value not in _BOOLS:
                raise self._bad(flag, value, 'expected "true" or "false"')
            return _BOOLS[value]
        if flag.kind is Kind.NUMBER:
            try:
                return str(int(value, 10))
            except ValueError:
                raise self._bad(flag, value, "expected a whole number") from None
        return value

    def _count(self, rest: list[str], least: int, most: int | None) -> None:
        if least <= len(rest) and (most is None or len(rest) <= most):
            return
        if most == 0:
            wanted = "accepts no arguments"
        else:
            bound, number = ("", least) if least == most else ("at least ", least)
            if len(rest) > least:
                bound, number = ("" if least == most else "at most "), most or 0
            wanted = f"requires {bound}{number} argument" + ("" if number == 1 else "s")
        raise UsageError(
            f"'lamina {self.words}' {wanted}", words=self.words, usage=self.usage, exit_status=1
        )

    def _unknown(self, name: str) -> UsageError:
        from lamina.cli.suggest import did_you_mean

        shown = [flag.name for flag in self.longs.values() if not flag.hidden]
        return self._wrong(f'unknown flag "--{name}"' + did_you_mean(name, shown, "--"))

    def _bad(self, flag: Flag, value: str, reason: str) -> UsageError:
        spelled = f"-{flag.short}, --{flag.name}" if flag.short else f"--{flag.name}"
        return self._wrong(f'invalid argument "{value}" for "{spelled}": {reason}')

    def _wrong(self, message: str) -> UsageError:
        return UsageError(message, words=self.words, usage=self.usage, exit_status=125)
