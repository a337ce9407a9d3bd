"""Two images beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lamina.serve.web.links import Query
from lamina.serve.web.looks import Look
from lamina.serve.web.pages import Desk, Page, cut
from lamina.serve.web.shelf import Compared, Difference, Package, PackageChange, Sheet

_OFFERED = 100  # repositories whose names the form offers
_PACKAGES = 1000


def compare(desk: Desk, query: Query) -> Page:
    """The form, and below it in what the second differs from the first."""
    one, two = query.text("one").strip(), query.text("two").strip()
    groups = desk.shelf.groups(query="", after="", limit=_OFFERED, may_see=desk.may_see)
    values: dict[str, object] = {
        "page": "compare",
        "one": one,
        "two": two,
        "offered": [tag.reference for group in groups for tag in group.tags],
        "sides": (),
    }
    if not one or not two:
        return Page("compare.html", values)
    sheets = [desk.shelf.sheet(text, query.text("platform") or None) for text in (one, two)]
    looks = [desk.looks.of(sheet) for sheet in sheets]
    return Page("compare.html", {**values, **_compared(desk, query, sheets, looks)})


def _compared(
    desk: Desk, query: Query, sheets: Sequence[Sheet], looks: Sequence[Look]
) -> dict[str, object]:
    old, new = looks
    change = query.text("change")
    # The keys name content, and whose it is: what was found of it once stays so.
    key = (sheets[0].key, sheets[1].key)
    compared = desk.compared.of(key, lambda: _differences(desk, old, new), _weight)
    found, packages = compared.files, compared.packages
    rows, part = cut([one for one in found if not change or one.change == change], query)
    return {
        "sides": list(zip(sheets, looks, strict=True)),
        "shared": _shared(old, new),
        "settings": desk.analyst.settings(old.image.config, new.image.config),
        "packages": packages[:_PACKAGES],
        "package_count": len(packages),
        "lines": rows,
        "part": part,
        "counts": _counts(found),
        "growth": sum(one.growth for one in found),
        "change": change,
    }


def _differences(desk: Desk, old: Look, new: Look) -> Compared:
    before, after = (old.sight, old.whole()), (new.sight, new.whole())
    packages = package_changes(desk.analyst.packages(*before), desk.analyst.packages(*after))
    return Compared(desk.analyst.differences(before, after), packages)


def _weight(compared: Compared) -> int:
    return len(compared.files) + len(compared.packages)


def _shared(old: Look, new: Look) -> int:
    """How many of the lowest layers are the same."""
    count = 0
    for one, two in zip(old.image.layers, new.image.layers, strict=False):
        if one.diff_id != two.diff_id:
            break
        count += 1
    return count


def _counts(found: Sequence[Difference]) -> dict[str, int]:
    counted = Counter(str(one.change) for one in found)
    return {change: counted[change] for change in ("added", "changed", "removed")}


def package_changes(before: Sequence[Package], after: Sequence[Package]) -> list[PackageChange]:
    """What differs, by kind and name; versions of one name together."""
    old, new = _versions(before), _versions(after)
    return [
        PackageChange(*key, old.get(key), new.get(key))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _versions(packages: Sequence[Package]) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for one in packages:
        key = (one.kind, one.name)
        found[key] = f"{found[key]}, {one.version}" if key in found else one.version
    return found
