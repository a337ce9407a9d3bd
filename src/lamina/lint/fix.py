"""Mends a text by the edits that findings carry."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.lint.file import Facts
from lamina.lint.finding import Edit, Finding
from lamina.lint.runner import examine
from lamina.lint.settings import Settings

# The rules that make edits, at least where an edit is certain.
MENDS = frozenset(
    (
        *("ConsistentInstructionCasing", "ExposeInvalidFormat", "ExposeProtoCasing"),
        *("FromAsCasing", "JSONArgsRecommended", "LegacyKeyValueFormat", "MaintainerDeprecated"),
        *("MultipleInstructionsDisallowed", "NoEmptyContinuation", "RedundantTargetPlatform"),
        *("StageNameCasing", "UndefinedVar"),
        *("DL3008", "DL3009", "DL3013", "DL3014", "DL3015", "DL3018", "DL3019", "DL3020"),
        *("DL3025", "DL3027", "DL3030", "DL3032", "DL3034", "DL3036", "DL3038", "DL3040"),
        *("DL3006", "DL3007", "DL3016", "DL3028", "DL3042", "DL3046", "DL3047", "DL3059"),
        *("DL3060", "DL3062", "DL3065", "DL4000"),
        *("LM1001", "LM1002", "LM1003", "LM1004", "LM1101", "LM1102", "LM1103", "LM1104"),
    )
)
_ROUNDS = 8  # one edit may stand in the way of another


def fix(
    text: str,
    *,
    settings: Settings | None = None,
    facts: Facts | None = None,
) -> tuple[str, int]:
    """`text` with every certain edit made, and how many findings that took away.

    Edits that touch one another are made in turn, each on a text that was looked at anew.
    """
    mended = 0
    for _ in range(_ROUNDS):
        report = examine(text, settings=settings, facts=facts)
        chosen = _apart(report.findings)
        if not chosen:
            break
        changed = applied(text, [edit for finding in chosen for edit in finding.edits])
        if len(examine(changed, settings=settings, facts=facts).findings) >= len(report.findings):
            break  # what does not help is not done
        text, mended = changed, mended + len(chosen)
    return text, mended


def _apart(findings: Sequence[Finding]) -> list[Finding]:
    """The first findings whose edits do not touch one another."""
    taken: list[tuple[tuple[int, int], tuple[int, int]]] = []
    chosen: list[Finding] = []
    # What merges RUNs goes first, for it may bring what others would add; then what moves them.
    ranks = {"LM11": 0, "LM10": 1}
    for finding in sorted(findings, key=lambda each: ranks.get(each.code[:4], len(ranks))):
        if not finding.edits:
            continue
        # All that lies between its edits counts: what moves something has looked at that too.
        ends = [_ends(edit) for edit in finding.edits]
        first, last = min(start for start, _ in ends), max(end for _, end in ends)
        if not any(first <= end and start <= last for start, end in taken):
            taken.append((first, last))
            chosen.append(finding)
    return chosen


def _ends(edit: Edit) -> tuple[tuple[int, int], tuple[int, int]]:
    span = edit.span
    return (span.start_line, span.start_column), (span.end_line, span.end_column)


def applied(text: str, edits: Sequence[Edit]) -> str:
    """`text` with `edits`, which do not overlap, made from its end on."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix("\ufeff")
    starts = [0]
    for line in body.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    for edit in sorted(edits, key=_ends, reverse=True):
        span = edit.span
        first = starts[span.start_line - 1] + span.start_column - 1
        last = starts[span.end_line - 1] + span.end_column - 1
        body = body[:first] + edit.text + body[last:]
    return mark + body
