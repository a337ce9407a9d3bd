"""The pages, one module for each kind: a query to the values of a template."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from lamina.serve.web.links import Query
from lamina.serve.web.looks import Looks
from lamina.serve.web.memo import Memo
from lamina.serve.web.shelf import Analyst, Compared, Shelf
from lamina.values import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """What pages are made with: for one request, by one who has the rights that it needs."""

    shelf: Shelf
    analyst: Analyst
    looks: Looks
    compared: Memo[Compared]
    may_see: Callable[[str], bool]  # which repositories lists may show


@dataclass(frozen=True, slots=True)
class Page:
    """A template and its values."""

    template: str
    values: Mapping[str, object]
    status: int = 200


@dataclass(frozen=True, slots=True)
class Slice:
    """One page of a long list."""

    rows: Sequence[object]
    total: int
    number: int  # of the page, from 1
    pages: int

    @property
    def first(self) -> int:
        """The place of its first row, from 1."""
        return (self.number - 1) * SIZE + 1


SIZE = 250  # rows of a page


def cut(found: Sequence[T], query: Query) -> tuple[Sequence[T], Slice]:
    """The rows that the query asks for, and where they are."""
    pages = max(1, -(-len(found) // SIZE))
    number = query.number("page", 1, least=1, most=pages)
    rows = found[(number - 1) * SIZE : number * SIZE]
    return rows, Slice(rows, len(found), number, pages)
