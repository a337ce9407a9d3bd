from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from lamina.errors import Denied, Unavailable
from lamina.fs.faults import Full, told
from lamina.fs.owner import Owner


def test_this_process_is_alive_and_names_carry_it() -> None:
    me = Owner.this()
    assert me.alive()
    assert Owner.of_name(me.fresh_name()) == me
    assert me.fresh_name() != me.fresh_name()


def test_a_process_of_another_start_is_another() -> None:
    me = Owner.this()
    assert not Owner(me.pid, me.start + 1).alive()


def test_the_dead_are_dead_before_they_are_buried() -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
    stat = Path(f"/proc/{child}/stat").read_text()
    owner = Owner(child, int(stat.rpartition(")")[2].split()[19]))
    assert owner.alive()
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert not owner.alive()
    os.waitpid(child, 0)
    assert not owner.alive()


@pytest.mark.parametrize("name", ["", "1", "1.", "x.1.2", "1.x.2", "-1.2.3", "¹.2.3"])
def test_other_names_carry_nobody(name: str) -> None:
    assert Owner.of_name(name) is None


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, Full),
        (errno.EDQUOT, Full),
        (errno.EROFS, Denied),
        (errno.EMFILE, Unavailable),
    ],
)
def test_the_systems_refusals_have_kinds(number: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match='"place"') as caught, told("place"):
        raise OSError(number, os.strerror(number))
    assert caught.value.hint  # type: ignore[attr-defined]


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(FileNotFoundError), told("place"):
        raise FileNotFoundError(errno.ENOENT, "no")
