"""Builds images from Dockerfiles: plan, ask the cache, do what is left, assemble."""

from __future__ import annotations

from lamina.build.assemble import Built, assemble
from lamina.build.basis import Basis
from lamina.build.context import Context
from lamina.build.events import Event, Finished, Listener, Missed, Note, Output, Started
from lamina.build.failure import StepFailed
from lamina.build.graph import BaseImage, Graph, Ulimit
from lamina.build.plan import plan
from lamina.build.reach import NamedContext, Options
from lamina.build.workshop import Secret, Workshop
from lamina.values import replace

__all__ = [
    "BaseImage",
    "Basis",
    "Built",
    "Context",
    "Event",
    "Finished",
    "Graph",
    "Listener",
    "Missed",
    "NamedContext",
    "Note",
    "Options",
    "Output",
    "Secret",
    "Started",
    "StepFailed",
    "Ulimit",
    "Workshop",
    "build",
    "plan",
]


def build(
    graph: Graph,
    workshop: Workshop,
    listen: Listener,
    *,
    place: str,
    workers: int = 4,
) -> Built:
    """Do what `graph` says, and keep the image in the store, without a name.

    `place` says which Dockerfile it is of, so that a miss can be explained by comparison with its
    last build. StepFailed for the first step that fails; what was finished stays in the cache.
    """
    from lamina.build.solve import Solver

    with workshop.store.leases.lease("build") as lease:
        for base in graph.images:
            lease.add(*(layer.descriptor.digest for layer in base.image.layers))
            lease.add(*(layer.chain_id for layer in base.image.layers))
        solver = Solver(graph, workshop, listen, place=place, workers=workers)
        built = assemble(graph, workshop, solver.solve())
        return replace(built, basis=solver.basis())
