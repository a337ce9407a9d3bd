"""What containers stand on: the nouns that the engine hands to this room."""

from __future__ import annotations

import time
from collections.abc import Callable

from lamina.oci.digest import ChainID, Digest
from lamina.run.ledger import Ledger
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

    from lamina.oci.config import ImageConfig
    from lamina.runtime.container import Runtime
    from lamina.snapshot.snapshotter import Snapshotter


@dataclass(frozen=True, slots=True)
class Ground:
    """Where containers are kept, how their trees are made, and who executes them."""

    root: Path | str  # the store's
    snapshotter: Callable[[], Snapshotter]  # made at the first use
    runtime: Callable[[str], Runtime]  # by name
    clock: Callable[[], int] = time.time_ns

    @property
    def ledger(self) -> Ledger:
        return Ledger(f"{self.root}/containers")

    @property
    def volumes(self) -> str:
        """The directory of local volumes."""
        return f"{self.root}/volumes"


@dataclass(frozen=True, slots=True)
class Base:
    """An image that containers are made from; its layers are unpacked."""

    config: ImageConfig
    manifest: Digest
    chain: ChainID | None  # None: no layers

    @property
    def id(self) -> Digest:
        return self.config.digest
