"""Why a step was not in the cache, in words."""

from __future__ import annotations

from lamina.build import key as keys
from lamina.build.copying import Selection
from lamina.build.graph import Graph, ImageTree, Step
from lamina.build.inside import join
from lamina.build.key import Difference, Key
from lamina.values import replace


def reason(
    graph: Graph, step: Step, last: Key | None, key: Key, selection: Selection | None
) -> tuple[str, tuple[Difference, ...]]:
    """What differs from the last build, and in which things. `last`: what stood there then.

    `selection`: what the step copies from the context, if it does.
    """
    if last is None:
        return "it was never built here", ()
    causes = _in_context(selection, keys.causes(last, key))
    if not causes:
        return "its layer is not in the cache any more", ()
    if causes[0].kind == "base" and isinstance(step.parent, ImageTree):
        return f"the base image {graph.images[step.parent.index].name} changed", causes
    more = f" (and {len(causes) - 1} more)" if len(causes) > 1 else ""
    return f"{causes[0].describe()}{more}", causes


def _in_context(
    selection: Selection | None, causes: tuple[Difference, ...]
) -> tuple[Difference, ...]:
    """The causes with files named as where they are copied from has them."""
    if selection is None or not causes or causes[0].kind != "file":
        return causes
    known: dict[str, str] = {}
    for item in selection.items:
        if item.is_directory:
            known |= {node.path: join(item.path, node.path) for node in item.nodes[1:]}
        else:
            known[item.name] = item.path
    # What is gone was in the one directory that is copied, or in nobody knows which.
    folders = [item.path for item in selection.items if item.is_directory]
    start = folders[0] if len(folders) == 1 else ""
    return tuple(replace(one, name=known.get(one.name) or join(start, one.name)) for one in causes)
