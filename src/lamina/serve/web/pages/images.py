"""Which images there are."""

from __future__ import annotations

from lamina.serve.web.links import Query
from lamina.serve.web.pages import Desk, Page

_GROUPS = 50  # repositories of a page
_TAGS = 500


def images(desk: Desk, query: Query) -> Page:
    """Repositories with their first tags."""
    text, after = query.text("q").strip(), query.text("after")
    found = desk.shelf.groups(query=text, after=after, limit=_GROUPS + 1, may_see=desk.may_see)
    shown = found[:_GROUPS]
    following = shown[-1].repository if len(found) > _GROUPS else ""
    values = {"page": "images", "groups": shown, "q": text, "after": after, "following": following}
    return Page("images.html", values)


def tags(desk: Desk, query: Query) -> Page:
    """All tags of one repository."""
    repository, after = query.text("repository"), query.text("after")
    found = desk.shelf.tags(repository, after=after, limit=_TAGS + 1)
    shown = found[:_TAGS]
    following = shown[-1].label if len(found) > _TAGS else ""
    values = {
        "page": "tags",
        "repository": repository,
        "tags": shown,
        "after": after,
        "following": following,
    }
    return Page("tags.html", values)
