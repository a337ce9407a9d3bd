"""Edits that are certain: the same happens, in the same order, or none is made."""

from __future__ import annotations

from lamina.dockerfile.source import Source, Span
from lamina.lint.file import File, Item, Ran
from lamina.lint.finding import Edit

# What changes the shell itself, and so what follows in the same RUN.
_LASTING = frozenset(
    (
        *(".", "alias", "cd", "eval", "exec", "exit", "export", "popd", "pushd", "readonly"),
        *("set", "shopt", "source", "trap", "ulimit", "umask", "unset"),
    )
)


def is_chain(ran: Ran) -> bool:
    """Whether a RUN is nothing but commands joined by `&&`, so that more may follow."""
    commands = ran.script.commands
    if not ran.located.starts or ran.run.command.heredocs or ran.script.pipes or not commands:
        return False
    if any(command.after not in ("", "&&") or command.depth for command in commands):
        return False
    ends = [0, *(command.end for command in commands)]
    starts = [*(command.start for command in commands), len(ran.located.text)]
    gaps = [ran.script.text[end:start].strip() for end, start in zip(ends, starts, strict=True)]
    return gaps == ["", *["&&"] * (len(commands) - 1), ""]


def chained(ran: Ran, command: str) -> tuple[Edit, ...]:
    """The edit that runs `command` at the end of a RUN."""
    if not is_chain(ran):
        return ()
    return (Edit(_end(ran), f" && {command}"),)


def merged(source: Source, first: Ran, second: Ran) -> tuple[Edit, ...]:
    """The edit that makes one RUN of two which stand one behind the other."""
    if not is_chain(first) or not is_chain(second) or first.run.flags or second.run.flags:
        return ()
    if first.item.in_trigger or second.item.in_trigger:
        return ()
    if any(not each.name or each.name in _LASTING for each in first.script.commands):
        return ()
    end = _end(first)
    line, column = second.located.place(0)
    between = source.lines[end.end_line : second.item.line - 1]
    if second.item.index != first.item.index + 1 or any(row.strip() for row in between):
        return ()
    return (Edit(Span(end.end_line, end.end_column, line, column), " \\\n    && "),)


def _end(ran: Ran) -> Span:
    line, column = ran.located.place(len(ran.located.text) - 1)
    return Span(line, column + 1, line, column + 1)


def removed(file: File, item: Item) -> tuple[Edit, ...]:
    """The edit that takes an instruction out, with the comments straight above it."""
    first, last = _block(file, item)
    return (Edit(Span(first, 1, last + 1, 1), ""),)


def moved_above(file: File, item: Item, other: Item) -> tuple[Edit, ...]:
    """The edits that move an instruction, with its comments, above one that stands before it."""
    if item.node.heredocs or item.in_trigger or other.in_trigger:
        return ()
    first, last = _block(file, item)
    place = _block(file, other)[0]
    end = _line_end(file)
    text = "".join([f"{line}{end}" for line in file.source.lines[first - 1 : last]])
    return (Edit(Span(place, 1, place, 1), text), *removed(file, item))


def moved_below(file: File, item: Item, other: Item) -> tuple[Edit, ...]:
    """The edits that move an instruction, with its comments, below one that stands after it."""
    if item.node.heredocs or item.in_trigger or other.in_trigger or other.node.heredocs:
        return ()
    first, last = _block(file, item)
    text = [f"{_line_end(file)}{line}" for line in file.source.lines[first - 1 : last]]
    line = other.node.end_line
    column = len(file.source.lines[line - 1]) + 1
    return (*removed(file, item), Edit(Span(line, column, line, column), "".join(text)))


def _block(file: File, item: Item) -> tuple[int, int]:
    """The first and the last line of an instruction and the comments straight above it."""
    first = item.node.start_line
    while first > 2 and file.source.lines[first - 2].lstrip().startswith("#"):
        first -= 1
    return first, item.node.end_line


def _line_end(file: File) -> str:
    return "\r\n" if "\r\n" in file.source.text else "\n"
