"""What only our own runtime promises, and what only the real kernel can show."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import containers
from containers import Box
from lamina.errors import Denied
from lamina.fs.mounts import Bind
from lamina.oci.bundle import Resources
from lamina.runtime import spawn
from lamina.runtime.command import BindMount, TmpfsMount
from lamina.runtime.container import StartFailed, Stdio


@pytest.fixture(scope="module")
def lower() -> Iterator[Path]:
    with containers.alpine() as path:
        yield path


@pytest.fixture
def box(lower: Path) -> Iterator[Box]:
    with containers.box("native", lower) as made:
        yield made


def test_the_program_of_pid_1_cannot_be_written_to_from_inside(box: Box) -> None:
    """CVE-2019-5736: the host's interpreter is what PID 1 was executed from, with `init`."""
    with box.start(Stdio(), "sleep", "60", init=True) as process:
        assert os.path.samefile(f"/proc/{process.pid}/exe", os.path.realpath(sys.executable))
        flags = os.statvfs(f"/proc/{process.pid}/exe").f_flag
        assert flags & os.ST_RDONLY


def test_pid_1_of_init_hides_its_program_from_inside(box: Box) -> None:
    ended = box.sh("readlink /proc/1/exe /proc/1/root; cat /proc/1/exe", init=True)
    assert ended.out == ""


def test_a_working_directory_outside_the_root_is_refused(box: Box) -> None:
    """CVE-2024-21626: a descriptor of the host, named by /proc/self/fd."""
    for number in range(24):
        try:
            ended = box.run("pwd", cwd=f"/proc/self/fd/{number}")
        except StartFailed:
            continue
        assert ended.out.startswith("/proc/"), number


def test_its_contract_holds_in_a_process_of_one_thread_too() -> None:
    """There it clones itself; those who run tests side by side have threads."""
    suite = Path(__file__).parents[1] / "contract/runtimes"
    words = [sys.executable, "-m", "pytest", "-p", "no:xdist", str(suite)]
    words += ["-k", "native and not threads"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_it_starts_nothing_but_light_modules() -> None:
    code = spawn._code("init").removesuffix("main()") + "import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"typing", "dataclasses", "re", "enum", "json", "subprocess", "signal", "inspect"}
    assert not heavy & set(done.stdout.split())
    assert "lamina.runtime.init" in done.stdout.split()


def test_a_limit_leaves_no_group_behind_when_the_start_fails(box: Box) -> None:
    plan = box.plan("nosuch", resources=Resources(pids=10))
    with pytest.raises(Exception, match="nosuch"):
        box.run_plan(plan)
    assert not list(Path("/sys/fs/cgroup").glob(f"**/lamina/{plan.bundle.id}"))


def test_a_starter_without_the_right_is_told_which(box: Box) -> None:
    plan = box.plan("true")
    child = os.fork()
    if not child:
        status = 1
        try:
            os.setresuid(65534, 65534, 65534)
            box.runtime.start(plan.bundle, box.root, Stdio())
        except Denied as error:
            status = 0 if "needs root" in str(error) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_image_without_any_directory_gets_its_mount_points(box: Box, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "program").symlink_to("/bin/true")
    root = Bind(tmp_path)
    with pytest.raises(Exception, match="nosuch"):
        box.on(root).run("nosuch")
    assert {p.name for p in tmp_path.iterdir()} == {"program", "proc", "dev", "sys"}


def test_the_host_s_own_tree_can_be_a_volume(box: Box) -> None:
    """With what is mounted below it, and without the container's own mounts."""
    mounts = (BindMount("/host", Path("/"), read_only=True), TmpfsMount("/x"))
    before = _overlays()
    ended = box.sh(
        "cat /host/proc/1/comm; grep -c ' /host/[^ ]* overlay ' /proc/mounts", mounts=mounts
    )
    assert ended.lines[0] == Path("/proc/1/comm").read_text().strip()
    # Others may mount meanwhile; the container's own root would be one more below /host.
    assert int(ended.lines[1]) <= max(before, _overlays())


def _overlays() -> int:
    return Path("/proc/self/mounts").read_text().count(" overlay ")


def test_writes_below_a_read_only_volume_are_refused_everywhere(box: Box) -> None:
    mounts = (BindMount("/host", Path("/"), read_only=True),)
    ended = box.sh("touch /host/dev/shm/lamina-test", mounts=mounts)
    assert ended.status == 1
    assert not Path("/dev/shm/lamina-test").exists()
