"""Words of a Dockerfile: quotes, escapes and variables, as BuildKit's shell lexer reads them."""

from __future__ import annotations

from collections.abc import Mapping, Set

from lamina.errors import Unsupported


def expand(
    word: str,
    env: Mapping[str, str],
    *,
    escape: str = "\\",
    keep_quotes: bool = False,
    keep_escapes: bool = False,
    keep_unset: bool = False,
) -> str:
    """`word` with its variables replaced and its quotes and escapes taken off.

    `keep_unset` leaves a variable that `env` lacks as written. Invalid if a quote or a brace is
    open, the modifier unknown, or a required variable missing.
    """
    raise Unsupported("word expansion is not written yet")


def expand_to_words(word: str, env: Mapping[str, str], *, escape: str = "\\") -> list[str]:
    """As `expand`, then cut at unquoted blanks, as ADD's and EXPOSE's arguments are."""
    raise Unsupported("word expansion is not written yet")


def used_names(word: str, *, escape: str = "\\") -> Set[str]:
    """The names of the variables that `word` mentions; also those inside modifiers."""
    raise Unsupported("word expansion is not written yet")
