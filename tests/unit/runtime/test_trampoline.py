from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lamina.runtime import trampoline

pytestmark = pytest.mark.skipif(not trampoline.is_known(), reason="not for this machine")


@pytest.fixture
def program() -> int:
    return trampoline.make()


def execute(program: int, *argv: str) -> tuple[int, bytes, bytes]:
    """The command's exit status, what it printed, and what came out of the status pipe."""
    out, printing = os.pipe()
    status, telling = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.dup2(printing, 1)
            os.dup2(telling, trampoline.STATUS)
            os.set_inheritable(trampoline.STATUS, True)
            os.execve(program, list(argv), {"A": "b"})
        finally:
            os._exit(77)
    for fd in (printing, telling, program):
        os.close(fd)
    with open(out, "rb") as printed, open(status, "rb") as told:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), printed.read(), told.read()


def test_it_becomes_the_command_with_its_words_and_its_environment(program: int) -> None:
    script = 'echo "$0:$1:$2:$A"; readlink /proc/$$/exe; ls /proc/$$/fd; exit 7'
    code, out, told = execute(program, "/bin/sh", "-sh", "-c", script, "zero", "one two", "")
    lines = out.decode().splitlines()
    assert (code, told, lines[0]) == (7, b"", "zero:one two::b")
    assert lines[1] == os.path.realpath("/bin/sh")
    assert str(trampoline.STATUS) not in lines[2:]


@pytest.mark.parametrize(
    ("path", "number"), [("/no/such", errno.ENOENT), ("/etc/passwd", errno.EACCES)]
)
def test_what_cannot_be_executed_is_told_by_its_errno(program: int, path: str, number: int) -> None:
    code, out, told = execute(program, path, "x")
    assert (code, out) == (125, b"")
    assert told == (-number).to_bytes(4, "little", signed=True)


def test_nobody_can_write_to_it(program: int) -> None:
    with pytest.raises(PermissionError):
        os.write(program, b"x")
    with pytest.raises(PermissionError):
        os.truncate(f"/proc/self/fd/{program}", 0)
    os.close(program)


@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="qemu-aarch64 is not installed")
def test_that_for_the_other_machine_does_the_same(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(trampoline.program("aarch64"))
    (tmp_path / "program").chmod(0o755)

    def run(path: str, *argv: str) -> subprocess.CompletedProcess[bytes]:
        words = ["sh", "-c", 'exec 5>&2; exec qemu-aarch64 -0 "$@"', "sh", path]
        return subprocess.run([*words, "./program", *argv], cwd=tmp_path, capture_output=True)

    done = run("/bin/sh", "-sh", "-c", 'echo "$1"; ls /proc/$$/fd | grep -x 5; exit 7', "0", "a b")
    assert (done.returncode, done.stdout) == (7, b"a b\n")
    done = run("/no/such", "x")
    assert done.returncode == 125
    assert done.stderr == (-errno.ENOENT).to_bytes(4, "little", signed=True)


def test_it_is_a_small_program(program: int) -> None:
    size = os.fstat(program).st_size
    data = os.pread(program, size, 0)
    os.close(program)
    assert data == trampoline.program(os.uname().machine)
    assert data.startswith(b"\x7fELF")
    assert size < 512
