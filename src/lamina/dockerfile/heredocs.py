"""Heredocs: the inline documents of RUN, COPY and ADD (BuildKit, "Here-documents")."""

from __future__ import annotations

from lamina.dockerfile.instructions import Heredoc
from lamina.dockerfile.words import WordError, expand_to_words
from lamina.late import re

_MARK = r"(?a:(\d*)<<(-?)[\t\n\f\r ]*([^<]*))"


def parse_mark(word: str) -> Heredoc | None:
    """The heredoc, still empty, that `word` opens; None if it is none; WordError if ill-formed."""
    match = re.fullmatch(_MARK, word) if "<<" in word else None
    if not match or not match[3]:
        return None
    plain = expand_to_words(match[3], {}, keep_unset=True)
    if len(plain) != 1:
        return None
    quoted = expand_to_words(match[3], {}, keep_unset=True, keep_quotes=True)
    return Heredoc(
        name=plain[0],
        content="",
        expand=_quotes(plain[0]) == sum(map(_quotes, quoted)),
        chomp=bool(match[2]),
        descriptor=int(match[1] or 0),
    )


def marks_of(line: str) -> list[Heredoc]:
    """The heredocs, still empty, that a logical line opens, in order; WordError if ill-formed.

    A line that is no proper words has none: a shell may still make sense of it.
    """
    try:
        words = expand_to_words(line, {}, keep_quotes=True, keep_escapes=True, keep_unset=True)
    except WordError:
        return []
    return [mark for word in words if (mark := parse_mark(word))]


def chomp(content: str) -> str:
    """`content` without the tabs that begin its lines, as <<- asks for."""
    return re.sub(r"(?m)^\t+", "", content)


def _quotes(word: str) -> int:
    return word.count("'") + word.count('"')
