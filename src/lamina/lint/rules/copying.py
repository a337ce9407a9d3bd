"""COPY and ADD: which of them, and what they take."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.dockerfile.ignore import clean
from lamina.errors import Invalid
from lamina.lint.command import operands, texts
from lamina.lint.file import File, Item
from lamina.lint.finding import Edit, Hit
from lamina.lint.rule import Phase
from lamina.lint.rules.kin import ERROR, INFO, WARNING, buildkit, hadolint, quote
from lamina.lint.shell import Command

_ARCHIVES = (
    ".tar", ".Z", ".bz2", ".gz", ".lz", ".lzma", ".tZ", ".tb2", ".tbz", ".tbz2", ".tgz", ".tlz",
    ".tpz", ".txz", ".xz",
)  # fmt: skip
_UNPACKERS = frozenset(
    ("unzip", "gunzip", "bunzip2", "unlzma", "unxz", "zgz", "uncompress", "zcat", "gzcat")
)


def copy_ignored_file(file: File) -> Iterator[Hit]:
    """COPY and ADD name nothing that the ignore file leaves out.

    The build would fail, for the file is not there. Not looked for where the ignore file takes
    something back with `!`.
    """
    ignore = file.facts.ignore
    if ignore is None or any(pattern.takes_back for pattern in ignore.patterns):
        return
    for item, source in file.trace.sources:
        path = clean(source)
        if path != "." and _ignores(file, path):
            verb = "Copy" if isinstance(item.instruction, ins.Copy) else "Add"
            message = f"Attempting to {verb} file {quote(path)} that is excluded by .dockerignore"
            yield file.hit(item, message, at=source)


def _ignores(file: File, path: str) -> bool:
    try:
        return file.facts.ignore is not None and file.facts.ignore.ignores(path)
    except Invalid:
        return False


def archive_by_copy(file: File) -> Iterator[Hit]:
    """ADD unpacks a local archive; COPY and tar in a RUN keep it in a layer.

    The archive stays in its layer even where the RUN removes it.

        COPY app.tar.gz /tmp/             # no
        RUN tar -xzf /tmp/app.tar.gz

        ADD app.tar.gz /usr/src/app/      # yes
    """
    for part in file.parts:
        copied: list[tuple[Item, str]] = []
        reported: set[int] = set()
        for item in part.items:
            line = item.instruction
            if isinstance(line, ins.Copy) and line.from_ is None and not item.in_trigger:
                copied += [(item, name) for name in _archives(line)]
            ran = file.ran_at.get(item.index)
            if ran is None or item.in_trigger or not copied:
                continue
            for command in ran.script.commands:
                names = _unpacked(command)
                for copy, name in copied:
                    if name in names and copy.index not in reported:
                        reported.add(copy.index)
                        yield file.hit(copy, f'use ADD to unpack "{name}"', at=name)


def _archives(line: ins.Copy) -> list[str]:
    """The archives that a COPY leaves in the image, by their last names."""
    paths = (line.destination,) if _is_archive(line.destination) else line.sources
    return [_last_name(path) for path in paths if _is_archive(path)]


def _is_archive(path: str) -> bool:
    return path.strip("\"'").endswith(_ARCHIVES)


def _last_name(path: str) -> str:
    return re.split(r"[/\\]", path.strip("\"'"))[-1]


def _unpacked(command: Command) -> set[str]:
    if command.name == "tar":
        flags = [text for text in texts(command) if text.startswith("-")]
        short = any("x" in text for text in flags if not text.startswith("--"))
        if not short and not {"--extract", "--get"}.intersection(flags):
            return set()
    elif command.name not in _UNPACKERS:
        return set()
    return {_last_name(word.text) for word in operands(command)}


def add_of_files(file: File) -> Iterator[Hit]:
    """COPY copies files; ADD is for archives and addresses.

    ADD also fetches and unpacks, which is a surprise where only a copy was meant.
    """
    for item in file.of(ins.Add):
        line = item.instruction
        assert isinstance(line, ins.Add)
        for source in line.sources:
            path = source.strip("\"'")
            if not path.endswith(_ARCHIVES) and not path.startswith(("http://", "https://")):
                span = file.keyword_span(item)
                edits = _as_copy(file, item, line)
                yield Hit(item.index, span, "", "use COPY", edits, item.line)
                break


def _as_copy(file: File, item: Item, line: ins.Add) -> tuple[Edit, ...]:
    """COPY instead; only where every source is a plain path, and no flag is ADD's own."""
    if line.checksum is not None or line.keep_git_dir is not None or line.unpack is not None:
        return ()
    if any("$" in path or ":" in path or _is_archive(path) for path in line.sources):
        return ()
    keyword = "COPY" if line.keyword == line.keyword.upper() else "copy"
    return (Edit(file.keyword_span(item), keyword),)


def many_sources(file: File) -> Iterator[Hit]:
    """COPY of several sources ends with a directory and its slash.

    Without the slash a builder may take the last name for a file, and refuses.

        COPY package.json yarn.lock app     # no
        COPY package.json yarn.lock app/    # yes
    """
    for item in file.of(ins.Copy):
        line = item.instruction
        assert isinstance(line, ins.Copy)
        if len(line.sources) > 1 and not line.destination.strip("\"'").endswith("/"):
            yield file.hit(item, at=line.destination)


def whole_file_system(file: File) -> Iterator[Hit]:
    """COPY does not take the whole tree of another stage to the root.

    Everything of that stage comes along, and owners, caches and leftovers with it; FROM would say
    the same without a copy.
    """
    for item in file.of(ins.Copy):
        line = item.instruction
        assert isinstance(line, ins.Copy)
        paths = {source.strip("\"'") for source in line.sources}
        if line.from_ is not None and line.destination.strip("\"'") == "/" and "/" in paths:
            yield file.hit(item)


RULES = (
    buildkit(
        "CopyIgnoredFile",
        "Attempting to Copy file that is excluded by .dockerignore",
        copy_ignored_file,
        Phase.STEPS,
    ),
    hadolint(
        "DL3010", "archive-by-copy", INFO, "an archive is copied and then unpacked",
        archive_by_copy,
    ),
    hadolint("DL3020", "add-of-files", ERROR, "ADD of plain files", add_of_files),
    hadolint(
        "DL3021", "several-sources", ERROR, "COPY of several sources to what is no directory",
        many_sources,
    ),
    hadolint(
        "DL3067", "whole-file-system", WARNING, "COPY of a whole file system", whole_file_system
    ),
)  # fmt: skip
