"""The error of a build: which step failed, why, and where it stands in the Dockerfile."""

from __future__ import annotations

from lamina.build.graph import Step
from lamina.dockerfile.source import Source
from lamina.errors import Error, Invalid


class StepFailed(Invalid):
    """A step could not be done; `cause` says why, `step` which."""

    def __init__(self, step: Step, cause: Error, source: Source | None = None) -> None:
        super().__init__(cause.message, hint=cause.hint)
        self.step = step
        self.cause = cause
        self.source = source

    def render(self) -> str:
        """The message, below the lines of the Dockerfile that it is about."""
        if self.source is None or self.step.span is None:
            return self.message
        place = f"{self.source.name}:{self.step.span.start_line}"
        rule = "-" * 20
        return f"{self.message}\n{place}\n{rule}\n{self.source.excerpt(self.step.span)}\n{rule}"
