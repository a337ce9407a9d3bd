"""Containers on disk: names, records, states, and what crashes leave."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.errors import Conflict, Corrupt, Invalid, NotFound
from lamina.oci.digest import ChainID, Digest
from lamina.run import container as containers
from lamina.run import state as states
from lamina.run.container import Container, MountPoint
from lamina.run.ledger import Ledger
from lamina.run.mounts import parse_mount, parse_volume
from lamina.run.options import Options
from lamina.run.owner import Owner, owner_from_json
from lamina.run.state import State, Status
from lamina.run.words import Ulimit

DIGEST = Digest.of(b"")


def make(name: str, id: str | None = None, **options: object) -> Container:
    return Container(
        id=id or os.urandom(32).hex(),
        name=name,
        created=1,
        options=Options(image="busybox", **options),  # type: ignore[arg-type]
        image_id=DIGEST,
        manifest=DIGEST,
        parent=ChainID(DIGEST),
        platform="linux/amd64",
        args=("sh", "-c", "\udcff"),
        entrypoint=("sh",),
        env=("A=1",),
        workdir="/",
        user="",
        hostname="here",
        labels={"k": "v"},
        mounts=(MountPoint(parse_volume("/a:/b").kind, "/a", "/b"),),
        stop_signal="SIGTERM",
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "containers")


def add(ledger: Ledger, name: str | None = None, **state: object) -> Container:
    made = State(**{"status": Status.CREATED, **state})  # type: ignore[arg-type]
    return ledger.add(make, made, name)


def dead() -> Owner:
    """The identity of a process that has ended."""
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=-1) as process:
        owner = Owner.of(process.pid)
        process.communicate()
    assert owner is not None
    return owner


def test_a_record_comes_back_as_it_was() -> None:
    one = make(
        "one",
        command=("a", "b"),
        mounts=(parse_volume("vol:/v:ro"), parse_mount("type=tmpfs,dst=/t,tmpfs-size=1m")),
        ulimits=(Ulimit("nofile", 1, 2),),
        add_hosts=(("a", "1.2.3.4"),),
        devices=(("/dev/null", "/dev/zero"),),
        entrypoint=(),
    )
    assert containers.decode(one.encode()) == one


def test_a_state_comes_back_as_it_was() -> None:
    one = State(status=Status.RUNNING, owner=Owner.me(), started=5, handle={"pid": 1})
    assert states.decode(one.encode()) == one


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"status":"flying"}'])
def test_a_torn_record_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        containers.decode(data)
    with pytest.raises(Corrupt):
        states.decode(data)


def test_a_container_is_found_by_name_id_and_the_beginning_of_one(ledger: Ledger) -> None:
    one = add(ledger, "one")
    for text in ("one", "/one", one.id, one.id[:12], one.id[:3]):
        assert ledger.find(text) == one


@pytest.mark.parametrize("text", ["", "two", "zz", "../live", "f" * 64])
def test_what_names_no_container_is_not_found(ledger: Ledger, text: str) -> None:
    add(ledger, "one")
    with pytest.raises(NotFound):
        ledger.find(text)


def test_an_ambiguous_beginning_is_not_found(ledger: Ledger) -> None:
    for digit in "01":
        id = "abc" + digit * 61
        ledger.add(lambda name, id=id: make(name, id), State(status=Status.CREATED), None)
    with pytest.raises(NotFound, match="2 container IDs"):
        ledger.find("abc")


def test_a_name_belongs_to_one(ledger: Ledger) -> None:
    one = add(ledger, "one")
    with pytest.raises(Conflict, match=one.id[:12]):
        add(ledger, "one")
    two = add(ledger)
    with pytest.raises(Conflict):
        ledger.rename(two.id, "one")
    with pytest.raises(Invalid):
        ledger.rename(two.id, "-")
    assert len(ledger.ids()) == 2


def test_a_renamed_container_gives_its_name_up(ledger: Ledger) -> None:
    one = add(ledger, "one")
    ledger.rename(one.id, "two")
    assert ledger.find("two").id == one.id
    with pytest.raises(NotFound):
        ledger.find("one")
    add(ledger, "one")


def test_a_removed_container_leaves_nothing(ledger: Ledger) -> None:
    one = add(ledger, "one", owner=Owner.me())
    Path(ledger.directory(one.id), "log.json").write_text("x")
    ledger.remove(one.id, one.name)
    ledger.remove(one.id, one.name)
    assert (ledger.ids(), ledger.live(), list(ledger.all())) == ([], [], [])
    assert os.listdir(Path(ledger.root) / "names") == []


def test_a_name_whose_container_is_gone_is_free(ledger: Ledger) -> None:
    one = add(ledger, "one")
    os.unlink(f"{ledger.directory(one.id)}/container.json")
    add(ledger, "one")


def test_only_an_owned_container_is_live(ledger: Ledger) -> None:
    one = add(ledger, "one")
    ledger.change(one.id, lambda state: state.but(owner=Owner.me()))
    assert ledger.live() == [one.id]
    ledger.change(one.id, lambda state: state.but(owner=None))
    assert ledger.live() == []


def test_a_refused_change_changes_nothing(ledger: Ledger) -> None:
    one = add(ledger, "one")

    def refuse(state: State) -> State:
        raise Conflict("no")

    with pytest.raises(Conflict):
        ledger.change(one.id, refuse)
    assert ledger.state(one.id).status is Status.CREATED
    with pytest.raises(NotFound):
        ledger.change("0" * 64, lambda state: state)


def test_an_owner_is_told_from_a_later_process_of_its_pid() -> None:
    me = Owner.me()
    assert me.is_alive()
    assert owner_from_json(me.to_json()) == me
    assert not Owner(me.pid, me.started + 1, me.boot).is_alive()
    assert not Owner(me.pid, me.started, "another boot").is_alive()
    assert not dead().is_alive()


def test_a_dead_owner_gets_no_signal_and_is_not_waited_for() -> None:
    gone = dead()
    assert gone.opened() is None
    assert not gone.signal(0)
    assert gone.ended()
    assert not Owner.me().ended(0)
