"""A build that would change nothing, answered from what the last one rested on.

A build that finds every step in the cache still has to import the rooms that build, read the
Dockerfile, choose files and make keys, to say what it said before. So its answer is kept, with
all that it depended on: how the files look, what the images' names mean, which cached steps stand
at which place. While all of that is as it was, the answer is what the whole build would say, and
this is found out with little more than the store's database. Whatever is in doubt is not kept.

    build-answer   a directory and a command line, hashed -> the answer, and what it rests on
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence

from lamina.errors import Error
from lamina.fs import looks
from lamina.oci.digest import Digest
from lamina.store import Store
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.build import Basis, Context
    from lamina.engine.building import BuildRequest
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.platform import Platform

KIND = "build-answer"
_FORM = b"1"
_MOST = 16  # answers that are kept
# What other rooms keep in the records; importing them would take longer than all of this.
_REPORT, _STEP, _LAST = "build-report", "build-step", "build-last"


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody types, and where; `circumstances` is whatever else could change the answer."""

    line: str
    circumstances: str

    @property
    def key(self) -> str:
        """What it is kept under: a digest, for build arguments may be secrets."""
        return Digest.of(os.fsencode(self.line)).encoded


@dataclass(frozen=True, slots=True)
class Answer:
    """What a build says on standard error, and prints."""

    said: str
    printed: str


def recall(store: Store, question: Question) -> Answer | None:
    """What the whole build would answer; None if it has to be done to know."""
    try:
        data = store.records.get(KIND, question.key)
        kept = _Kept.decode(data) if data is not None else None
        if kept is not None and kept.holds(store, question.circumstances):
            _report(store, kept)
            return kept.answer
    except (Error, ValueError, OSError):
        pass  # the whole build will say what is wrong
    return None


def keep(store: Store, question: Question, basis: Basis, answer: Answer) -> None:
    """Remember what a build has answered, unless its files are too young to be known by looks.

    The build is done and told: if this cannot be kept, the next one works it out again.
    """
    before, clock, after = basis.report.partition(f'"time": {basis.began!r}'.encode())
    seen, newest = looks.seen(basis.files)
    if not clock or newest > int(basis.began * 1e9) - looks.FRESH:
        return
    kept = _Kept(
        _said(question.circumstances),
        Digest.of(seen),
        basis.files,
        basis.images,
        basis.steps,
        (before, after),
        basis.reported,
        answer,
    )
    try:
        with store.records.batch():
            store.records.put(KIND, question.key, kept.encode(), now=time.time_ns())
            store.records.limit(KIND, _MOST)
    except Error:
        pass


def _report(store: Store, kept: _Kept) -> None:
    """Let the last report be that of this build, which found what that one found."""
    began = time.time()
    before, after = kept.report
    data = b"".join((before, f'"time": {began!r}'.encode(), after))
    with store.records.batch():
        for key in kept.reported:
            store.records.put(_REPORT, key, data, now=int(began * 1e9))


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer, and what has to be as it was for it to be given again."""

    circumstances: bytes
    look: str  # a digest of the looks of `files`, in their order
    files: tuple[str, ...]
    images: tuple[tuple[str, str], ...]  # a name, or none, and the digest that is here under it
    steps: tuple[tuple[str, str], ...]  # a place in a Dockerfile, and the key that stands there
    report: tuple[bytes, bytes]  # what is before its time and after it
    reported: tuple[str, ...]  # the keys that the report is kept under
    answer: Answer

    def holds(self, store: Store, circumstances: str) -> bool:
        """Whether everything is as it was; what is cheap to ask is asked first."""
        return (
            self.circumstances == _said(circumstances)
            and all(
                store.names.digest(name) == digest if name else store.names.keeps(digest)
                for name, digest in self.images
            )
            and all(
                store.records.get(_LAST, place) == key.encode()
                and store.records.get(_STEP, key) is not None
                for place, key in self.steps
            )
            and Digest.of(looks.seen(self.files)[0]) == self.look
        )

    def encode(self) -> bytes:
        """As bytes, for keeping."""
        return _framed(
            (
                _FORM,
                self.circumstances,
                self.look.encode(),
                _joined(_by_directory(self.files)),
                _joined(word for pair in self.images for word in pair),
                _joined(word for pair in self.steps for word in pair),
                *self.report,
                _joined(self.reported),
                os.fsencode(self.answer.said),
                self.answer.printed.encode(),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> _Kept | None:
        """None or ValueError if it is not what `encode` has made."""
        form, *parts = _unframed(data)
        if form != _FORM or len(parts) != 10:
            return None
        circumstances, look, files, images, steps, before, after, reported, said, printed = parts
        return cls(
            circumstances,
            look.decode(),
            _together(_words(files)),
            _pairs(_words(images)),
            _pairs(_words(steps)),
            (before, after),
            tuple(_words(reported)),
            Answer(os.fsdecode(said), printed.decode()),
        )


# -- what a build rests on -----------------------------------------------------------------


def is_plain(request: BuildRequest) -> bool:
    """Whether a build asks for an image in the store and nothing else, from directories."""
    odd = (
        request.outputs,
        request.secrets,
        request.text is not None,
        request.pull,
        request.record_reads,
        request.is_trial,
        request.options.uncached_stages,
        not request.options.use_cache,
        request.directory is None,
        isinstance(request.dockerfile, bytes),
        any(value.startswith("oci-layout:") for value in request.named_contexts.values()),
    )
    return not any(odd)


def dockerfiles(request: BuildRequest, contexts: Iterable[Context]) -> tuple[str, ...] | None:
    """The Dockerfile and the ignore files, there or not; None if links lead to them."""
    top = os.path.join(os.getcwd(), str(request.context))
    if request.dockerfile is None:
        found = [f"{top}/{request.in_context}", f"{top}/dockerfile"]
    else:
        found = [os.path.realpath(str(request.dockerfile))]
        if found[0] != os.path.abspath(str(request.dockerfile)):
            return None
    found.append(f"{found[0]}.dockerignore")
    found += [f"{path}/.dockerignore" for one in contexts if (path := getattr(one, "path", None))]
    return None if any(os.path.islink(path) for path in found) else tuple(found)


def images(
    store: Store, bases: Mapping[tuple[str, Platform], Descriptor]
) -> tuple[tuple[str, str], ...] | None:
    """The names of base images and what they mean; None if they mean something else by now."""
    from lamina.oci import reference

    found = []
    for (name, _), descriptor in bases.items():
        ref = reference.parse(name)
        full = "" if ref.digest is not None else str(ref.with_default_tag())
        if full and store.names.digest(full) != descriptor.digest:
            return None
        found.append((full, str(descriptor.digest)))
    return tuple(found)


# -- bytes ---------------------------------------------------------------------------------


def _said(circumstances: str) -> bytes:
    """A digest: an environment may hold secrets."""
    return Digest.of(os.fsencode(circumstances)).encode()


def _framed(parts: Iterable[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(4, "little") + part for part in parts)


def _unframed(data: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        at += 4 + size
        if at > len(data):
            raise ValueError("cut short")
        parts.append(data[at - size : at])
    return parts


def _joined(words: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(word) + b"\0" for word in words)


def _words(data: bytes) -> list[str]:
    return os.fsdecode(data).split("\0")[:-1]


def _pairs(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(zip(words[::2], words[1::2], strict=True))


def _by_directory(paths: Iterable[str]) -> list[str]:
    """Names, with their directory before them where it is another one; that begins with a "/"."""
    words, last = [], None
    for path in paths:
        directory, _, name = path.rpartition("/")
        if directory != last:
            words.append(f"{directory}/")
            last = directory
        words.append(name)
    return words


def _together(words: Iterable[str]) -> tuple[str, ...]:
    """The inverse of `_by_directory`."""
    paths, directory = [], ""
    for word in words:
        if word.startswith("/"):
            directory = word
        else:
            paths.append(directory + word)
    return tuple(paths)
