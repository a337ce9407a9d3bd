"""`lamina check --fix --verify`: the proof, in words."""

from __future__ import annotations

import os
import sys

from lamina.cli import units
from lamina.cli.table import render, visible

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine import Engine
    from lamina.engine.building import BuildRequest
    from lamina.engine.verifying import Cost, Verdict

_MOST = 20  # differences that are shown
_SAME_REASON = 3  # paths shown of one reason


def prove(engine: Engine, request: BuildRequest, name: str, texts: tuple[bytes, bytes]) -> bool:
    """Build both texts and say what came of it; whether the second may stand for the first."""
    from lamina.cli.progress import choose
    from lamina.engine import verifying

    progress = choose("auto", os.environ)
    try:
        verdict = verifying.verify(engine, request, texts, progress.listen)
    finally:
        progress.close()
    if not verdict.is_same:
        _refuse(name, verdict)
        return False
    _tell(name, verdict)
    return True


def _refuse(name: str, verdict: Verdict) -> None:
    out = sys.stderr
    print(f"{visible(name)}: mended it makes another image; nothing is written", file=out)
    for each in verdict.files[:_MOST]:
        parts = f" ({', '.join(each.parts)})" if each.parts else ""
        print(f"  /{visible(each.path)}: {each.change}{parts}", file=out)
    if len(verdict.files) > _MOST:
        print(f"  … and {len(verdict.files) - _MOST} more", file=out)
    for setting in verdict.settings[:_MOST]:
        print(f"  {visible(setting.name)}: {setting.before} -> {setting.after}", file=out)
    print(
        "hint: leave out the rule that changes it, with --ignore or --only;"
        " DL3015 installs less, MaintainerDeprecated sets a label",
        file=out,
    )


def _tell(name: str, verdict: Verdict) -> None:
    print(f"{visible(name)}: the same image: {verdict.paths} paths and the config")
    reasons: dict[str, list[str]] = {}
    for each, why in verdict.volatile:
        reasons.setdefault(why, []).append(f"/{visible(each.path)} ({each.change})")
    if reasons:
        print("not counted, for two builds differ there anyway:")
    for why, paths in reasons.items():
        more = f" and {len(paths) - _SAME_REASON} more" if len(paths) > _SAME_REASON else ""
        print(f"  {', '.join(paths[:_SAME_REASON])}{more}: {why}")
    rows = [["", "BEFORE", "AFTER"]]
    before, after = _column(verdict.before), _column(verdict.after)
    labels = ["size"]
    if verdict.touched is not None:
        labels += ["to push after a source change", "to rebuild after a source change"]
    rows += [list(row) for row in zip(labels, before, after, strict=True)]
    print(*render(rows), sep="\n")
    if verdict.touched is not None:
        print(f"the source change: a line more in {visible(verdict.touched)}")


def _column(cost: Cost) -> list[str]:
    found = [units.human_size(cost.size, 3)]
    if cost.push is not None and cost.seconds is not None:
        found += [units.human_size(cost.push, 3), f"{cost.seconds:.2f} s"]
    return found
