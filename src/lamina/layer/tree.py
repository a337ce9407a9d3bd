"""A tree on this disk that content is read from."""

from __future__ import annotations


class Tree:
    """An open directory below which files are opened without following links."""
