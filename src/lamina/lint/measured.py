"""What a build has shown of the instruction that a finding is about."""

from __future__ import annotations

from lamina.values import dataclass

_NAMES = {
    "size": "layerBytes",
    "hides": "hidesBytes",
    "hidden": "hiddenBytes",
    "pull": "pullBytes",
    "seconds": "seconds",
    "commits": "commits",
    "rebuilt": "rebuiltByCommits",
    "per_commit": "secondsPerCommit",
    "per_commit_mended": "secondsPerCommitMended",
    "reads": "recordedReads",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Bytes are of plain layers, before compression. None: not known."""

    size: int | None = None  # bytes of its layer
    hides: int | None = None  # bytes of lower layers that it puts out of sight
    hidden: int | None = None  # bytes of its layer that later ones put out of sight
    pull: int | None = None  # bytes of its layer and those above: to be pulled when it is rebuilt
    seconds: float | None = None  # that it took
    commits: int | None = None  # that were looked at
    rebuilt: int | None = None  # how many of them build it anew
    per_commit: float | None = None  # seconds to rebuild the image after a commit, on average
    per_commit_mended: float | None = None  # the same after the finding's edits
    reads: tuple[str, ...] | None = None  # files of the context that it was seen to open

    def to_json(self) -> dict[str, object]:
        """What is known, under names for programs."""
        found = {name: getattr(self, field) for field, name in _NAMES.items()}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
            if value is not None
        }

    def rows(self) -> list[str]:
        """The same for people, a line for each thing that is worth one."""
        layer: list[str] = []
        if self.size is not None:
            layer.append(f"{_size(self.size)} in its layer")
        if self.hides:
            layer.append(f"hides {_size(self.hides)} of layers below")
        if self.hidden:
            layer.append(f"{_size(self.hidden)} of it are hidden by later layers")
        if self.seconds is not None:
            layer.append(f"took {_seconds(self.seconds)}")
        if self.pull is not None:
            layer.append(f"{_size(self.pull)} to pull again when it is rebuilt")
        found = [", ".join(layer)] if layer else []
        if self.rebuilt is not None and self.commits:
            text = f"rebuilt by {self.rebuilt} of the last {self.commits} commits"
            if self.per_commit is not None:
                text += f"; the image takes {_seconds(self.per_commit)} a commit"
                if self.per_commit_mended is not None:
                    text += f", and {_seconds(self.per_commit_mended)} once this is mended"
            found.append(text)
        return found


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 50_000 else f"{count / 1e3:.1f} kB"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= 0.05 else f"{value * 1000:.0f} ms"
