"""The manual of the rules, made of their docstrings: docs/rules.md."""

from __future__ import annotations

from lamina.lint.fix import MENDS
from lamina.lint.rule import Rule
from lamina.lint.rules import RULES

_HEAD = """# Rules for Dockerfiles

`lamina check [PATH | DOCKERFILE]` asks all of them.
This page is written by `make docs` from the docstrings in `src/lamina/lint/rules`; mend it there.

- Names such as `JSONArgsRecommended` are BuildKit's checks, with its messages.
  `lamina build --check` asks these alone, as docker does, and `# check=error=true` in a Dockerfile makes a build fail on them.
- Numbers `DL…` are hadolint's.
  `.hadolint.yaml` is read where hadolint looks for it (here, then `$XDG_CONFIG_HOME`, `~/.config` and further places at home), or what `--config` names; it needs PyYAML (`pip install 'lamina[lint]'`).
  The variables `HADOLINT_…` outweigh it, and flags outweigh both.
  Numbers of ShellCheck (`SC…`) may stand in it and change nothing: its rules are not built.
- Numbers `LM…` are our own: `LM10` order, `LM11` cleaning, `LM12` context, `LM13` secrets; `LM1000` is a fault in the Dockerfile itself.

Where two rules say the same of a line, BuildKit's is shown; each can be asked alone by `--only`.

A comment silences rules:

| comment | for |
| --- | --- |
| `# hadolint ignore=DL3008,DL3015` | the line below |
| `# hadolint stage ignore=DL3008` | the stage whose FROM is on the line below |
| `# hadolint global ignore=DL3008` | the file |
| `# hadolint shell=powershell` | what RUN is written for, from here on |
| `# lamina ignore=JSONArgsRecommended` | as the first three; takes every code |
| `# check=skip=JSONArgsRecommended` | the instruction below; on the first lines of the file, the file |

The command exits with 1 if a finding is a warning or worse; `--fail-on` sets another limit.

`--fix` makes the edits that are certain, and only those: {count} rules have some, and are marked.
Some edits need to know more than the text: the lists in the context (LM1002), the built image (the versions of DL3008, DL3013, DL3016, DL3018, DL3028 and DL3062, and whether a COPY brought all of its target for LM1103 and LM1104), or what an image is called here beside `latest` (DL3006 and DL3007).
`--fix --verify` builds both texts first, and writes nothing unless files and config come out the same.
"""  # noqa: E501
_FAMILIES = (
    ("BuildKit's checks", lambda rule: rule.phase is not None),
    ("hadolint's rules", lambda rule: rule.code.startswith("DL")),
    ("Our own rules", lambda rule: rule.code.startswith("LM")),
)


def manual() -> str:
    """The whole page."""
    parts = [_HEAD.format(count=len(MENDS))]
    for title, belongs in _FAMILIES:
        rules = sorted((rule for rule in RULES if belongs(rule)), key=lambda rule: rule.code)
        rows = [
            f"| [{rule.code}](#{rule.code.lower()}) | {rule.severity} | {_summary(rule)} |"
            for rule in rules
        ]
        head = [f"## {title}", "", "| code | severity | what it finds |", "| --- | --- | --- |"]
        parts.append("\n".join([*head, *rows, ""]))
        parts += [_section(rule) for rule in rules]
    return "\n".join(parts)


def _summary(rule: Rule) -> str:
    return rule.summary.replace("|", "\\|").rstrip(".")


def _section(rule: Rule) -> str:
    notes = [f"`{rule.name}`"] if rule.phase is None else []
    if not rule.on:
        notes.append("off unless it is asked for")
    if rule.code in MENDS:
        notes.append("mended by `--fix`")
    if rule.twin:
        notes.append(f"the same as [{rule.twin}](#{rule.twin.lower()})")
    if rule.url.startswith("https://"):
        notes.append(f"[where it comes from]({rule.url})")
    lines = [f"### {rule.code}", "", *([", ".join(notes) + ".", ""] if notes else [])]
    return "\n".join([*lines, _escaped(rule.description), ""])


def _escaped(text: str) -> str:
    """Markdown, in which `<` outside of code begins no tag."""
    rows = []
    for row in text.split("\n"):
        pieces = row.split("`")
        if not row.startswith("    "):
            pieces[::2] = [piece.replace("<", "\\<") for piece in pieces[::2]]
        rows.append("`".join(pieces))
    return "\n".join(rows)
