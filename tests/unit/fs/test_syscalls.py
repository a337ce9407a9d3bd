from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.fs import syscalls


def test_a_link_stays_in_the_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("inside")
    (tmp_path / "link").symlink_to("/../../etc/passwd")
    root = os.open(tmp_path, os.O_PATH)
    fd = syscalls.openat2(root, "link", os.O_RDONLY, resolve=syscalls.RESOLVE_IN_ROOT)
    assert os.read(fd, 100) == b"inside"
    assert not os.get_inheritable(fd)
    os.close(fd)
    os.close(root)


def test_a_failure_carries_number_and_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        syscalls.openat2(syscalls.AT_FDCWD, str(tmp_path / "none"), os.O_RDONLY)
    assert caught.value.filename == str(tmp_path / "none")


def test_names_may_be_any_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(bytes([0xFF, 0xFE]))
    (tmp_path / name).touch()
    os.close(syscalls.openat2(syscalls.AT_FDCWD, str(tmp_path / name), os.O_RDONLY))


def test_close_from_spares_what_is_below() -> None:
    script = (
        "import os; from lamina.fs import syscalls\n"
        "low = os.open('/', os.O_RDONLY); high = os.dup2(low, 40)\n"
        "syscalls.close_from(20); os.fstat(low)\n"
        "try: os.fstat(high)\n"
        "except OSError: print('closed')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "closed\n", done.stderr


def test_a_blocked_signal_is_taken() -> None:
    script = (
        "import os; from lamina.fs import syscalls\n"
        "syscalls.block_signals(); os.kill(os.getpid(), 15); print(syscalls.next_signal())\n"
        "syscalls.unblock_signals()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "15\n", done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_clone_is_a_child_of_its_own_namespaces() -> None:
    script = (
        "import os; from lamina.fs import syscalls\n"
        "pid = syscalls.clone(syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWNET)\n"
        "if pid == 0:\n"
        "    syscalls.sethostname('inside'); syscalls.loopback_up()\n"
        "    os._exit(5 if os.uname().nodename == 'inside' else 1)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "5\n", done.stderr


def test_to_begin_writing_changes_nothing_that_can_be_seen(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file:
        file.write(b"content")
        file.flush()
        syscalls.begin_writing(file.fileno())
    assert (tmp_path / "file").read_bytes() == b"content"
    reading, writing = os.pipe()
    syscalls.begin_writing(writing)  # what cannot be written so is let alone
    os.close(reading)
    os.close(writing)
