"""Taking away what nobody needs, beside a server that goes on (docs/on-disk.md, "Registry").

First rows, one repository in one transaction; then files that no row needs. A row is made only
while its file cannot be taken away, so whatever has a row has a file. Killed at any moment, a gc
has done a part of its work and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum

from lamina.oci.digest import Digest
from lamina.registry.metadata import Dead, Graph
from lamina.registry.registry import Registry
from lamina.values import dataclass


class Cause(StrEnum):
    """Why something stays."""

    TAG = "tag"  # a tag means it
    RECENT = "recent"  # it was pushed, or asked for, a short while ago
    UNTAGGED = "untagged"  # nothing refers to it, and the policy is to keep such manifests
    CHILD = "child"  # an index refers to it
    REFERRER = "referrer"  # its subject stays
    CONTENT = "content"  # it is config or layer of a manifest


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something stays: by itself, or because of another."""

    cause: Cause
    by: Digest | None = None  # the index, subject or manifest
    tag: str | None = None
    until: int | None = None  # ns since 1970


@dataclass(frozen=True, slots=True)
class Report:
    """What a gc took away, or would take."""

    manifests: Mapping[str, tuple[Digest, ...]]  # of each repository
    links: Mapping[str, tuple[Digest, ...]]  # blobs that a repository sees no more
    blobs: Mapping[Digest, int]  # bytes of the files, manifests' too
    leftovers: int  # bytes of uploads that nobody went on with, and of what the dead left

    @property
    def bytes(self) -> int:
        """All that it frees."""
        return sum(self.blobs.values()) + self.leftovers


def reasons(
    graph: Graph, *, before: int, grace: int = 0, delete_untagged: bool = False
) -> dict[Digest, Reason]:
    """Why each manifest and blob of a repository stays; what is missing does not.

    New is what was pushed at `before` or later.
    """
    found: dict[Digest, Reason] = {}
    for tag, digest in sorted(graph.tags.items()):
        if digest in graph.nodes:
            found.setdefault(digest, Reason(Cause.TAG, tag=tag))
    _spread(graph, found)  # first, for a tag is what people want to hear of
    for digest, node in graph.nodes.items():
        if node.pushed >= before:
            found.setdefault(digest, Reason(Cause.RECENT, until=node.pushed + grace))
        elif not delete_untagged and not node.orphanable:
            found.setdefault(digest, Reason(Cause.UNTAGGED))
    _spread(graph, found)
    for digest in [*found]:
        for blob in graph.nodes[digest].blobs:
            found.setdefault(blob, Reason(Cause.CONTENT, by=digest))
    for digest, link in graph.links.items():
        if link.linked >= before:
            found.setdefault(digest, Reason(Cause.RECENT, until=link.linked + grace))
    return found


def _spread(graph: Graph, found: dict[Digest, Reason]) -> None:
    """Add the children and the referrers of manifests that stay, and theirs."""
    referrers: dict[Digest, list[Digest]] = {}
    for digest, node in graph.nodes.items():
        if node.subject is not None:
            referrers.setdefault(node.subject, []).append(digest)
    waiting = [*found]
    while waiting:
        digest = waiting.pop()
        others = [(child, Cause.CHILD) for child in graph.nodes[digest].manifests]
        others += [(referrer, Cause.REFERRER) for referrer in referrers.get(digest, ())]
        for other, cause in others:
            if other in graph.nodes and other not in found:
                found[other] = Reason(cause, by=digest)
                waiting.append(other)


def judge(*, before: int, delete_untagged: bool) -> Callable[[Graph], Dead]:
    """What of a repository nobody needs."""

    def dead(graph: Graph) -> Dead:
        kept = reasons(graph, before=before, delete_untagged=delete_untagged)
        return Dead(
            sorted(digest for digest in graph.nodes if digest not in kept),
            sorted(digest for digest in graph.links if digest not in kept),
        )

    return dead


def collect(
    registry: Registry,
    *,
    delete_untagged: bool = False,
    upload_expiry: int | None = None,
    dry_run: bool = False,
) -> Report:
    """Take away what nobody needs; with `dry_run` only say what, to the byte.

    Needed are tags, what they lead to, what is newer than the registry's grace, and untagged
    manifests unless `delete_untagged`. Uploads end `upload_expiry` ns after their last byte.
    """
    now = registry.now()
    before = now - registry.grace
    dead = judge(before=before, delete_untagged=delete_untagged)
    manifests: dict[str, tuple[Digest, ...]] = {}
    links: dict[str, tuple[Digest, ...]] = {}
    dropped: Counter[Digest] = Counter()
    metadata = registry.metadata
    for name in metadata.names():
        found = dead(metadata.graph(name)) if dry_run else metadata.sweep(name, dead)
        if found.manifests:
            manifests[name] = tuple(found.manifests)
        if found.blobs:
            links[name] = tuple(found.blobs)
        if dry_run:
            dropped.update([*found.manifests, *found.blobs])
    blobs = _sweep(registry, before, dropped, dry_run=dry_run)
    expiry = registry.grace if upload_expiry is None else upload_expiry
    leftovers = registry.blobs.leftovers(now - expiry, dry_run=dry_run)
    leftovers += _forget_indexes(registry, dropped, dry_run=dry_run)
    return Report(manifests, links, blobs, leftovers)


def _sweep(
    registry: Registry, before: int, dropped: Counter[Digest], *, dry_run: bool
) -> dict[Digest, int]:
    """Take away the files that no row needs; their bytes."""
    gone: dict[Digest, int] = {}
    for digest, size in registry.blobs.old(before):
        if registry.metadata.uses(digest) > dropped[digest]:
            continue
        if dry_run or registry.blobs.remove(
            digest, before, lambda each: registry.metadata.uses(each) > 0
        ):
            gone[digest] = size
            if not dry_run:
                registry.documents.forget(digest)
    return gone


def _forget_indexes(registry: Registry, dropped: Counter[Digest], *, dry_run: bool) -> int:
    """Take away what was known of layers that are gone; its bytes."""
    freed = 0
    indexes = registry.indexes
    if indexes is None:
        return 0
    for digest, size in indexes.all():
        if registry.metadata.uses(digest) <= dropped[digest]:
            freed += size
            if not dry_run:
                indexes.remove(digest)
    return freed


def trail(found: Mapping[Digest, Reason], digest: Digest) -> list[tuple[Digest, Reason]]:
    """How `digest` comes to stay: from what stays by itself down to it; empty if it does not."""
    steps: list[tuple[Digest, Reason]] = []
    at: Digest | None = digest
    while at is not None and (reason := found.get(at)) is not None:
        steps.append((at, reason))
        at = reason.by
    return steps[::-1]


def why_kept(
    registry: Registry, digest: Digest, *, name: str | None = None, delete_untagged: bool = False
) -> dict[str, list[tuple[Digest, Reason]]]:
    """For each repository that has it, or `name` only, how `digest` comes to stay there."""
    before = registry.now() - registry.grace
    told: dict[str, list[tuple[Digest, Reason]]] = {}
    for each in registry.metadata.names() if name is None else [name]:
        graph = registry.metadata.graph(each)
        if digest in graph.nodes or digest in graph.links:
            found = reasons(
                graph, before=before, grace=registry.grace, delete_untagged=delete_untagged
            )
            told[each] = trail(found, digest)
    return told
