"""What a command sees of files: its root, mounts, devices."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from containers import Box
from lamina.fs.mounts import Bind, Overlay
from lamina.oci.bundle import Device
from lamina.runtime.command import BindMount, FileMount, TmpfsMount, TreeMount

MIB = 1024 * 1024


def test_what_is_written_goes_to_the_upper_directory(box: Box) -> None:
    assert box.sh("echo hello > /new; rm /etc/motd").status == 0
    assert (box.upper / "new").read_text() == "hello\n"
    assert stat.S_ISCHR((box.upper / "etc/motd").lstat().st_mode)


def test_nothing_is_left_in_the_upper_directory_by_the_start_itself(box: Box) -> None:
    ended = box.run("true")
    assert ended.process.created == ()
    assert [p for p in box.upper.rglob("*") if not p.is_dir()] == []


def test_mount_points_that_were_made_are_told(box: Box) -> None:
    mounts = (FileMount("/run/secrets/token", b"s3cret"), TmpfsMount("/scratch"))
    ended = box.sh("cat /run/secrets/token", mounts=mounts)
    assert ended.out == "s3cret"
    assert set(ended.process.created) == {"/run/secrets", "/run/secrets/token", "/scratch"}
    assert (box.upper / "run/secrets/token").read_bytes() == b""


def test_a_read_only_root_refuses_writes_but_its_own_file_systems_take_them(box: Box) -> None:
    ended = box.sh(
        "touch /x; touch /dev/shm/x && touch /tmp/x && touch /v/x",
        read_only=True,
        mounts=(TmpfsMount("/tmp"), BindMount("/v", box.upper.parent)),
    )
    assert ended.status == 0
    assert "Read-only file system" in ended.err
    (box.upper.parent / "x").unlink()


@pytest.mark.parametrize("path", ["/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/sys/x"])
def test_paths_of_the_kernel_refuse_writes(box: Box, path: str) -> None:
    assert box.sh(f"echo x > {path}").status != 0


def test_masked_paths_show_nothing(box: Box) -> None:
    assert box.sh("cat /proc/timer_list /proc/keys /proc/interrupts").out == ""
    assert box.sh("ls -A /sys/firmware /proc/acpi").out.split() == ["/proc/acpi:", "/sys/firmware:"]


def test_tmpfs_has_its_size_and_options(box: Box) -> None:
    mounts = (TmpfsMount("/t", 1 * MIB, ("noexec", "nosuid", "nodev", "mode=1777")),)
    script = "grep ' /t ' /proc/mounts; head -c 2097152 /dev/zero > /t/x; stat -c %s /t/x"
    ended = box.sh(script, mounts=mounts)
    assert int(ended.lines[1]) <= 1 * MIB
    assert {"noexec", "nosuid", "nodev"} <= set(ended.out.split()[3].split(","))


def test_shm_has_the_asked_size(box: Box) -> None:
    ended = box.sh("df -k /dev/shm | tail -1", shm_size=3 * MIB)
    assert ended.out.split()[1] == "3072"


def test_a_bind_is_the_host_s_directory(box: Box, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from outside\n")
    ended = box.sh("cat /data/in; echo out > /data/out", mounts=(BindMount("/data", tmp_path),))
    assert ended.out == "from outside\n"
    assert (tmp_path / "out").read_text() == "out\n"


def test_a_read_only_bind_refuses_writes(box: Box, tmp_path: Path) -> None:
    mount = BindMount("/data", tmp_path, read_only=True)
    assert box.sh("touch /data/x", mounts=(mount,)).status == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_can_be_bound_over_a_file(box: Box, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("1.2.3.4 here\n")
    ended = box.sh("cat /etc/hosts", mounts=(BindMount("/etc/hosts", tmp_path / "hosts"),))
    assert ended.out == "1.2.3.4 here\n"


def test_part_of_another_tree_can_be_mounted(box: Box, lower: Path, tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/file").write_text("found\n")
    (tmp_path / "deep/out").symlink_to("/deep/er")
    upper, work = tmp_path / "up", tmp_path / "work"
    upper.mkdir()
    work.mkdir()
    view = TreeMount("/view", Overlay((tmp_path, lower)), "/deep/out")
    file = TreeMount("/one", Bind(tmp_path, read_only=True), "deep/er/file")
    own = TreeMount("/own", Overlay((tmp_path,), upper, work), "/deep", read_only=False)
    ended = box.sh("cat /view/file /one; touch /own/new && touch /view/x", mounts=(view, file, own))
    assert (ended.out, ended.status) == ("found\nfound\n", 1)
    assert (upper / "deep/new").exists()


def test_mounts_nest_whatever_their_order(box: Box, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    mounts = (TmpfsMount("/data/sub"), BindMount("/data", tmp_path))
    assert box.sh("touch /data/sub/inner /data/outer", mounts=mounts).status == 0
    assert [p.name for p in sorted(tmp_path.rglob("*"))] == ["outer", "sub"]


def test_a_secret_has_its_mode_and_owner(box: Box) -> None:
    mount = FileMount("/run/token", b"x", 0o440, 12, 34)
    assert box.sh("stat -c '%a %u %g' /run/token", mounts=(mount,)).out == "440 12 34\n"


def test_a_link_in_the_image_cannot_lead_a_mount_out(box: Box, tmp_path: Path) -> None:
    (box.upper / "trap").symlink_to("/../../../../../../tmp")
    (box.upper / "up").symlink_to("/proc/1/root/tmp")
    mounts = (FileMount("/trap/lamina-escaped", b"x"),)
    assert box.sh("cat /tmp/lamina-escaped", mounts=mounts).out == "x"
    assert not os.path.lexists("/tmp/lamina-escaped")
    assert (box.upper / "tmp/lamina-escaped").exists()


def test_standard_devices_work(box: Box) -> None:
    script = (
        "head -c 4 /dev/zero | wc -c; echo x > /dev/null; head -c 4 /dev/urandom | wc -c;"
        " for f in fd stdin ptmx; do readlink /dev/$f; done; echo x > /dev/full"
    )
    ended = box.sh(script)
    assert ended.lines == ["4", "4", "/proc/self/fd", "/proc/self/fd/0", "pts/ptmx"]
    assert ended.status == 1


def test_an_added_device_works(box: Box) -> None:
    device = Device("/dev/mynull", "c", 1, 3, 0o600)
    ended = box.sh("echo x > /dev/mynull; stat -c %a /dev/mynull", devices=(device,))
    assert (ended.out, ended.status) == ("600\n", 0)
