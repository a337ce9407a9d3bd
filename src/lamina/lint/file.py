"""A Dockerfile as rules see it: instructions in their stages, the scripts of its RUNs, and facts.

Everything is worked out once, when the first rule asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from lamina.dockerfile import Reading
from lamina.dockerfile import instructions as ins
from lamina.dockerfile.ignore import Ignore
from lamina.dockerfile.nodes import Node
from lamina.dockerfile.source import Span
from lamina.lint import shell, text
from lamina.lint.finding import Edit, Hit
from lamina.lint.settings import Settings
from lamina.values import dataclass, field

if TYPE_CHECKING:
    from lamina.lint.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What is known of a base image."""

    env: tuple[tuple[str, str], ...] = ()
    has_shell: bool = False  # its config names a shell
    platform: str = ""  # os/architecture; empty where unknown
    tags: tuple[str, ...] = ()  # beside `latest`, of the same image in the same repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a build beside its Dockerfile."""

    ignore: Ignore | None = None  # of the context; None where there is no ignore file
    has_context: bool = False  # whether the context was looked at: without, `ignore` says nothing
    has_history: bool = False  # there is a .git in the context
    build_args: tuple[tuple[str, str], ...] = ()
    target: str | None = None  # the stage to build; None is all of them
    bases: Mapping[str, Base] = field(default_factory=dict)  # by the name that FROM gives
    # Of the context, ignored files left out: texts of small files by their paths, None for
    # directories. Asked for single paths only.
    files: Mapping[str, str | None] = field(default_factory=dict)
    # Names right in a directory of it, ignored ones left out; "" is its top.
    listing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # Of a build that was: files of the context that a RUN opened, by its logical line; and the
    # versions of packages in the image, by kind (dpkg, apk, python; npm, of those installed for
    # all; gem; go, of programs) and name.
    opened: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Of the same build, by their logical lines: COPYs whose target, and nothing else, was new, and
    # holds files and directories alone, of plain modes.
    fresh: Container[str] = frozenset()
    versions: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One instruction and its place in the file."""

    index: int
    instruction: ins.Instruction
    node: Node
    stage: int  # -1 before the first FROM
    in_trigger: bool = False  # it stands behind ONBUILD

    @property
    def span(self) -> Span:
        return self.instruction.span

    @property
    def line(self) -> int:
        return self.instruction.span.start_line


@dataclass(frozen=True, slots=True)
class Part:
    """A stage, or what stands before the first one."""

    index: int  # -1 before the first FROM
    base: Item | None
    items: tuple[Item, ...]  # without the FROM; triggers of ONBUILD unwrapped

    @property
    def name(self) -> str:
        """What another stage calls it: its alias, or else its image."""
        if self.base is None:
            return ""
        line = self.base.instruction
        assert isinstance(line, ins.From)
        return line.as_name or line.image


Versions = Mapping[tuple[str, str], str]


def _bare(package: str, kind: str) -> str:
    """A package's name, without its architecture or extras."""
    if kind == "python":
        return re.sub("[-_.]+", "-", package.partition("[")[0]).lower()
    return package.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Ran:
    """One RUN with what it executes."""

    item: Item
    run: ins.Run
    script: shell.Script
    located: text.Located

    def span(self, *words: shell.Word | shell.Command) -> Span:
        """From the first to the last of `words`."""
        return self.located.span(words[0].start, words[-1].end)

    def behind(self, word: shell.Word, addition: str) -> tuple[Edit, ...]:
        """The edit that puts `addition` behind a word; none where its place is not known."""
        if not self.located.starts:
            return ()
        span = self.span(word)
        place = Span(span.end_line, span.end_column, span.end_line, span.end_column)
        return (Edit(place, addition),)

    def before(self, command: shell.Command, addition: str) -> tuple[Edit, ...]:
        """As `behind`, before a command and what it sets for itself."""
        if not self.located.starts:
            return ()
        span = self.span(command)
        place = Span(span.start_line, span.start_column, span.start_line, span.start_column)
        return (Edit(place, addition),)

    def pinned(
        self, words: Sequence[shell.Word], kind: str, sign: str, versions: Versions
    ) -> tuple[Edit, ...]:
        """The edits that name the versions of packages; none unless all are known."""
        edits: list[Edit] = []
        for word in words:
            version = versions.get((kind, _bare(word.text, kind)))
            if version is None or not word.is_plain:
                return ()
            edits += self.behind(word, f"{sign}{version}")
        return tuple(edits)

    def hit(
        self,
        *words: shell.Word | shell.Command,
        message: str = "",
        hint: str | None = None,
        edits: tuple[Edit, ...] = (),
    ) -> Hit:
        """A hit at `words`, or at all of the RUN."""
        span = self.span(*words) if words else self.item.span
        return Hit(self.item.index, span, message, hint, edits, self.item.line)


class File:
    """One Dockerfile; rules read it and change nothing."""

    def __init__(
        self,
        reading: Reading,
        settings: Settings | None = None,
        facts: Facts | None = None,
    ) -> None:
        self.reading = reading
        self.source = reading.source
        self.settings = settings if settings is not None else Settings()
        self.facts = facts if facts is not None else Facts()

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """Every instruction that can be read, in the order of the file."""
        nodes = {(node.start_line, node.original): node for node in self.reading.nodes}
        found: list[Item] = []
        stage = -1
        for index, line in enumerate(self.reading.instructions):
            stage += isinstance(line, ins.From)
            node = nodes[line.span.start_line, line.original]
            found.append(Item(index=index, instruction=line, node=node, stage=stage))
        return tuple(found)

    @cached_property
    def trace(self) -> Trace:
        """What BuildKit knows at each instruction."""
        from lamina.lint.walk import trace

        return trace(self)

    @cached_property
    def unwrapped(self) -> tuple[Item, ...]:
        """As `items`, with the trigger of each ONBUILD in its place."""
        return tuple([_unwrapped(item) for item in self.items])

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The stages, and first what stands before them, if anything does."""
        found: list[Part] = []
        base: Item | None = None
        rest: list[Item] = []
        for item in self.unwrapped:
            if isinstance(item.instruction, ins.From):
                if base is not None or rest:
                    found.append(Part(base.stage if base else -1, base, tuple(rest)))
                base, rest = item, []
            else:
                rest.append(item)
        if base is not None or rest:
            found.append(Part(base.stage if base else -1, base, tuple(rest)))
        return tuple(found)

    @cached_property
    def runs(self) -> tuple[Ran, ...]:
        """Every RUN, also those behind ONBUILD."""
        return tuple([ran for item in self.unwrapped if (ran := self._ran(item)) is not None])

    @cached_property
    def lasting(self) -> tuple[Ran, ...]:
        """The RUNs whose layers are kept: of the last stage, of bases of others, of triggers."""
        bases = {
            item.instruction.image.lower()
            for item in self.items
            if isinstance(item.instruction, ins.From)
        }
        kept = {-1, self.parts[-1].index} if self.parts else set()
        for part in self.parts:
            line = part.base.instruction if part.base is not None else None
            if isinstance(line, ins.From) and line.as_name in bases:
                kept.add(part.index)
        return tuple([ran for ran in self.runs if ran.item.in_trigger or ran.item.stage in kept])

    @cached_property
    def last_runs(self) -> frozenset[int]:
        """The items of the RUNs of the last stage: what the built image tells of."""
        last = self.parts[-1].index if self.parts else -1
        return frozenset([ran.item.index for ran in self.runs if ran.item.stage == last])

    def pinned(
        self, ran: Ran, words: Sequence[shell.Word], kind: str, sign: str
    ) -> tuple[Edit, ...]:
        """The edits that name the versions which the built image has of packages."""
        if ran.item.index not in self.last_runs or ran.item.in_trigger:
            return ()
        return ran.pinned(words, kind, sign, self.facts.versions)

    def version(self, ran: Ran, kind: str, name: str) -> str | None:
        """The version that the built image has of what a RUN installs; None if not known."""
        if ran.item.index not in self.last_runs or ran.item.in_trigger:
            return None
        return self.facts.versions.get((kind, name))

    @cached_property
    def ran_at(self) -> dict[int, Ran]:
        """The RUNs by the index of their item."""
        return {ran.item.index: ran for ran in self.runs}

    def commands(self, *names: str) -> Iterator[tuple[Ran, shell.Command]]:
        """The commands of all RUNs, or only those of these names."""
        for ran in self.runs:
            for command in ran.script.commands:
                if not names or command.name in names:
                    yield ran, command

    def of(self, *kinds: type[ins.Instruction], triggers: bool = False) -> Iterator[Item]:
        """The items of some kinds of instruction."""
        for item in self.unwrapped if triggers else self.items:
            if isinstance(item.instruction, kinds):
                yield item

    def located(self, item: Item) -> text.Located:
        """The logical line of an instruction, with its places."""
        return text.logical(self.source, item.node, item.span, self.reading.escape)

    def keyword_span(self, item: Item) -> Span:
        """Where its keyword stands."""
        line, column = item.span.start_line, item.span.start_column
        return Span(line, column, line, column + len(item.node.keyword))

    def find(self, item: Item, word: str) -> Span:
        """Where `word` stands in an instruction; all of it where it cannot be found."""
        located = self.located(item)
        at = located.text.find(word, len(item.node.keyword)) if word else -1
        return located.span(at, at + len(word)) if at >= 0 else item.span

    def hit(
        self,
        item: Item,
        message: str = "",
        *,
        at: str = "",
        hint: str | None = None,
        edits: tuple[Edit, ...] = (),
    ) -> Hit:
        """A hit on an instruction: at the word `at`, or at its first line."""
        span = self.find(item, at) if at else _first_line(self, item)
        return Hit(item.index, span, message, hint, edits, item.line)

    def _ran(self, item: Item) -> Ran | None:
        run = item.instruction
        if not isinstance(run, ins.Run):
            return None
        located = self._script_text(item, run)
        return Ran(item, run, shell.parse(located.text), located)

    def _script_text(self, item: Item, run: ins.Run) -> text.Located:
        """What a RUN hands to the shell; of an exec form, its words parted by blanks."""
        command = run.command
        if not command.is_shell:
            return text.Located(" ".join(command.args), (), (), item.span)
        line = " ".join(command.args)
        whole = self.located(item)
        start = len(whole.text.rstrip()) - len(line)
        if start < 0 or whole.text[start : start + len(line)] != line:
            located = text.Located(line, (), (), item.span)
        else:
            located = whole.slice(start, start + len(line))
        if not command.heredocs:
            return located
        bodies = self._bodies(item, command)
        if line.startswith("<<") and len(command.heredocs) == 1 and len(line.split()) == 1:
            return bodies[0]
        parts = [located]
        for document, content in zip(command.heredocs, bodies, strict=True):
            parts += [
                text.Located("\n", (), (), item.span),
                content,
                text.Located(document.name, (), (), item.span),
            ]
        return text.joined(parts)

    def _bodies(self, item: Item, command: ins.Command) -> list[text.Located]:
        sizes = [document.content.count("\n") + 1 for document in command.heredocs]
        line = item.node.end_line - sum(sizes) + 1
        found: list[text.Located] = []
        for document, size in zip(command.heredocs, sizes, strict=True):
            found.append(text.body(self.source, line, document, item.span))
            line += size
        return found


def _unwrapped(item: Item) -> Item:
    line = item.instruction
    if not isinstance(line, ins.OnBuild) or line.instruction is None:
        return item
    return Item(
        index=item.index,
        instruction=line.instruction,
        node=item.node,
        stage=item.stage,
        in_trigger=True,
    )


def _first_line(file: File, item: Item) -> Span:
    span = item.span
    if span.end_line == span.start_line:
        return span
    line = file.source.lines[span.start_line - 1]
    return Span(span.start_line, span.start_column, span.start_line, len(line.rstrip()) + 1)


__all__ = ["Base", "Facts", "File", "Item", "Part", "Ran"]
