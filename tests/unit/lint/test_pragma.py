"""Comments that speak to the linter."""

from __future__ import annotations

import pytest

from unit.lint.advice import lines

RUN = "RUN apt-get install -y x"


@pytest.mark.parametrize(
    "comment",
    [
        "# hadolint ignore=DL3008",
        "#hadolint ignore=DL3008",
        "#  hadolint  ignore = DL3015 , DL3008",
        "# hadolint ignore=DL3008 # for a reason",
        "# hadolint global ignore=DL3008",
        "# lamina ignore=LM1001,DL3008,JSONArgsRecommended",
        "  # hadolint ignore=DL3008",
    ],
)
def test_a_comment_silences_the_line_below(comment: str) -> None:
    assert lines("DL3008", f"{comment}\n{RUN}") == []
    assert lines("DL3008", f"{comment}\n{RUN}", use_pragmas=False) == [2]


@pytest.mark.parametrize(
    "comment",
    [
        "# hadolint ignore=DL3015",
        "# hadolint ignore=crazy,DL3008",
        "# hadolint ignore=DL3008,",
        "# hadolint ignore=",
        "# Hadolint ignore=DL3008",
        "# hadolint stage ignore=DL3008",
        "# see hadolint ignore=DL3008",
        "# hadolint ignore=DL3008\n",
        "# hadolint ignore=DL3008\n# another comment",
        "RUN a \\\n# hadolint ignore=DL3008\n  b",
    ],
)
def test_other_comments_silence_nothing(comment: str) -> None:
    assert lines("DL3008", f"{comment}\n{RUN}") == [comment.count("\n") + 2]


def test_a_stage_is_silenced_by_the_comment_above_its_from() -> None:
    text = f"# hadolint stage ignore=DL3008\nFROM a:1\n{RUN}\n{RUN}\nFROM b:1\n{RUN}"
    assert lines("DL3008", text) == [6]


def test_a_comment_inside_a_heredoc_is_no_comment() -> None:
    text = f"RUN <<EOF\n# hadolint global ignore=DL3008\nEOF\n{RUN}"
    assert lines("DL3008", text) == [4]
