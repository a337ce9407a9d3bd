"""One command line, from its words to its exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from lamina.cli.command import Command, Flag, Kind, UsageError
from lamina.cli.commands import ENTRIES, GROUPS, Entry, find, is_group, load, members
from lamina.cli.failures import report
from lamina.cli.flags import HelpAsked, parse
from lamina.cli.settings import from_environment
from lamina.values import replace

GLOBAL = Command(
    run=lambda args, engine: 0,
    usage="COMMAND",
    flags=(
        Flag("debug", "D", Kind.BOOL, "Show a traceback when something fails"),
        Flag("root", value="directory", help="Where images and containers are kept"),
        Flag("version", "v", Kind.BOOL, "Print the version and leave"),
    ),
    arguments=(0, None),
    interspersed=False,
)


class Session:
    """Reads the words, finds the command, and sees that whatever happens is said once."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
        self.argv = argv
        self.environment = environment
        self.debug = environment.get("LAMINA_DEBUG", "") not in ("", "0")
        self.failure = 1

    def run(self) -> int:
        """Do it all and return the exit status; raises nothing but with LAMINA_DEBUG."""
        for stream in (sys.stdout, sys.stderr):
            # Names inside images may be any bytes, and must come out as they are.
            if stream is not None and hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="surrogateescape")
        try:
            status = self._dispatch()
            sys.stdout.flush()
        except BaseException as error:  # noqa: BLE001  # the one place where all of them end
            status = self._fail(error)
        return status

    def _fail(self, error: BaseException) -> int:
        if isinstance(error, SystemExit):
            raise error
        text, status = report(error, failure=self.failure)
        if isinstance(error, BrokenPipeError):
            # Python flushes stdout once more on its way out, and would complain then.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        elif self.debug and not isinstance(error, KeyboardInterrupt | UsageError):
            import traceback

            traceback.print_exception(error)
        if text:
            print(text, file=sys.stderr)
        return status

    def _dispatch(self) -> int:
        try:
            options = parse("", GLOBAL, self.argv)
        except HelpAsked:
            return self._show_help([])
        self.debug = self.debug or options.flag("debug")
        if options.flag("version"):
            from lamina.cli.main import VERSION

            print(f"lamina version {VERSION}")
            return 0
        words = list(options.rest)
        if not words or words[0] == "help":
            return self._show_help(words[1:])
        entry, spelled = _choose(words)
        if entry is None:
            return self._show_help([spelled])
        return self._command(entry, spelled, words, options.text("root"))

    def _command(self, entry: Entry, spelled: str, words: list[str], root: str | None) -> int:
        store = None
        if entry.again:
            from lamina.cli import again

            store = again.opened(self.environment, root)
            status = again.answer(store, self.argv, self.environment) if store else None
            if status is not None:
                return status
        command = load(entry)
        self.failure = command.failure
        try:
            args = parse(spelled, command, words[len(spelled.split()) :])
            args = replace(args, line=tuple(self.argv))
        except HelpAsked:
            return self._show_help([spelled])
        from lamina.engine import Engine

        engine = Engine(from_environment(self.environment, root=root), store)
        try:
            return command.run(args, engine)
        finally:
            engine.close(exiting=True)

    def _show_help(self, words: list[str]) -> int:
        from lamina.cli.help import command_help, group_help, top_help

        if not words:
            print(top_help(GLOBAL))
            return 0
        entry, spelled = _choose(words[0].split() + words[1:])
        if entry is None:
            print(group_help(spelled))
        else:
            print(command_help(entry, spelled, load(entry)))
        return 0


def _choose(words: list[str]) -> tuple[Entry | None, str]:
    """The command that the first words name and those words; no command for a bare group.

    UsageError with a suggestion if nobody knows them.
    """
    first = words[0]
    entry = find(first)
    if entry is not None:
        return entry, first
    if is_group(first):
        if len(words) < 2 or words[1] in ("--help", "-h"):
            return None, first
        entry = find(f"{first} {words[1]}")
        if entry is not None:
            return entry, f"{first} {words[1]}"
        raise _unknown(first, words[1], [word for word, _ in members(first)])
    known = [e.name for e in ENTRIES if " " not in e.name] + list(GROUPS)
    raise _unknown("", first, known)


def _unknown(group: str, word: str, known: list[str]) -> UsageError:
    from lamina.cli.suggest import did_you_mean

    spelled = f"lamina {group} {word}".replace("  ", " ")
    message = f'unknown command "{spelled}"' + did_you_mean(word, known)
    return UsageError(message, words=group, usage="", exit_status=1)
