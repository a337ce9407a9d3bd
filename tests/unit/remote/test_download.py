"""A download that never began."""

from __future__ import annotations

import pytest

from lamina.errors import NotFound
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.remote.download import Download
from lamina.remote.retry import Patience
from lamina.remote.transport import Answer


def test_what_was_refused_can_be_closed() -> None:
    begun: list[Kept] = []

    class Kept(Download):
        def __init__(self, *args: object, **options: object) -> None:
            begun.append(self)
            super().__init__(*args, **options)  # type: ignore[arg-type]

    def ask(at: int) -> Answer:
        raise NotFound("it is not there")

    with pytest.raises(NotFound):
        Kept(Descriptor("x/y", Digest.of(b""), 0), ask, patience=Patience(), wait=print)
    begun[0].close()  # as when it is forgotten
    assert begun[0].closed
