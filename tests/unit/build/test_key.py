"""Keys: what counts, what does not, and how a difference is told."""

from __future__ import annotations

import pytest

from lamina.build import key as keys
from lamina.build.copying import CopySpec, FileRecord
from lamina.build.files import Files
from lamina.build.graph import ContextTree, CopyOp, RunOp, Scratch, SecretMount, Step
from lamina.build.key import Key, Part, first_difference
from lamina.oci.digest import ChainID, Digest
from lamina.values import replace

BASE = ChainID(Digest.of(b"base"))
RUN = RunOp(
    args=("/bin/sh", "-c", "make"),
    env=(("PATH", "/bin"), ("V", "1")),
    working_dir="/",
    user="",
    mounts=(),
    network="default",
    hosts=(),
    ulimits=(),
    shm_size=None,
    script=None,
    proxies=(),
)
COPY = CopyOp(CopySpec(sources=("src",), destination="/app"), ContextTree(""))


def step(op: RunOp | CopyOp, text: str = "RUN make") -> Step:
    return Step(
        index=0,
        op=op,
        parent=Scratch(),
        instruction=text,
        stage="0",
        stage_label="",
        position=1,
        total=1,
        span=None,
        use_cache=True,
        cache_key_instruction=text,
    )


def record(path: str = "main.py", content: bytes = b"x", mode: int = 0o644) -> FileRecord:
    return FileRecord(path, "file", mode, 0, 0, len(content), Digest.of(content), "", None)


def run_key(**changes: object) -> Key:
    return keys.of_step(step(replace(RUN, **changes)), BASE)


def copy_key(*records: FileRecord) -> Key:
    files = Files(lambda: ((each.path, each.text) for each in records))
    return keys.of_step(step(COPY, "COPY src /app"), BASE, files=files)


@pytest.mark.parametrize(
    "changes",
    [
        {"args": ("/bin/sh", "-c", "make all")},
        {"env": (("PATH", "/bin"), ("V", "2"))},
        {"working_dir": "/src"},
        {"user": "1000"},
        {"network": "none"},
        {"hosts": (("db", "10.0.0.1"),)},
        {"shm_size": 1 << 20},
        {"script": ("EOF", b"#!/bin/sh\n")},
        {"mounts": (SecretMount("s", "/s", None, True, 0o400, 0, 0),)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_a_command_sees_is_in_its_key(changes: dict[str, object]) -> None:
    assert run_key(**changes).digest != run_key().digest


def test_proxies_are_in_no_key() -> None:
    assert run_key(proxies=(("http_proxy", "http://proxy:1"),)).digest == run_key().digest


def test_the_tree_below_is_in_the_key() -> None:
    other = keys.of_step(step(RUN), ChainID(Digest.of(b"other")))
    assert other.digest != run_key().digest


def test_an_epoch_is_in_the_key() -> None:
    assert keys.of_step(step(RUN), BASE, epoch=0).digest != run_key().digest


def test_parts_are_framed() -> None:
    one = Key((Part("file", "a", "bc"),))
    other = Key((Part("file", "ab", "c"),))
    assert one.digest != other.digest


def test_a_key_survives_being_kept() -> None:
    key = copy_key(record(path="\udcff"), record("b"))
    assert Key.decode(key.encode()) == key


@pytest.mark.parametrize("data", [b"", b"not zlib", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_what_is_no_key_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        Key.decode(data)


def told(was: Key, now: Key) -> str:
    difference = first_difference(was, now)
    assert difference is not None
    return difference.describe()


def test_a_changed_file_is_named() -> None:
    assert told(copy_key(record()), copy_key(record(content=b"y"))) == "main.py changed"


def test_a_changed_mode_is_told_apart_from_content() -> None:
    told_ = told(copy_key(record()), copy_key(record(mode=0o755)))
    assert told_ == "main.py has mode 0755, had 0644"


def test_added_and_removed_files_are_named() -> None:
    one, two = copy_key(record("a")), copy_key(record("a"), record("b"))
    assert (told(one, two), told(two, one)) == ("b was added", "b was removed")


def test_a_changed_variable_is_named_with_both_values() -> None:
    now = run_key(env=(("PATH", "/bin"), ("V", "2")))
    assert told(run_key(), now) == "the variable V changed from 1 to 2"


def test_a_changed_instruction_comes_before_its_arguments() -> None:
    now = keys.of_step(step(replace(RUN, args=("x",)), "RUN x"), BASE)
    assert told(run_key(), now) == "the instruction changed (was: RUN make)"


def test_equal_keys_do_not_differ() -> None:
    assert first_difference(run_key(), run_key()) is None
