from __future__ import annotations

import pytest

from lamina.oci.bundle import Resources
from lamina.runtime.cgroups import Hierarchy, NoControlGroup, _assign, hierarchies, views

MOUNTINFO = """\
30 25 0:27 / /dev/shm rw,relatime - tmpfs tmpfs rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,xattr,name=systemd
41 31 0:38 / /nowhere/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
"""

V1 = (
    Hierarchy("/g/memory", False, frozenset({"memory"}), "memory"),
    Hierarchy("/g/cpu", False, frozenset({"cpu", "cpuacct"}), "cpu,cpuacct"),
    Hierarchy("/g/pids", False, frozenset({"pids"}), "pids"),
)
V2 = (Hierarchy("/g", True, frozenset({"memory", "cpu", "pids", "cpuset"}), ""),)
LIMITS = Resources(
    memory=1000, memory_swap=3000, pids=5, cpu_quota=20_000, cpu_shares=1024, cpuset_cpus="0-1"
)


def test_mountinfo_tells_the_hierarchies() -> None:
    found = {h.path: h for h in hierarchies(MOUNTINFO)}
    cpu = found["/sys/fs/cgroup/cpu,cpuacct"]
    assert cpu.controllers == {"cpu", "cpuacct"}
    assert (cpu.is_v2, cpu.options) == (False, "cpu,cpuacct")
    assert found["/nowhere/unified"].is_v2


def test_a_container_sees_what_is_below_sys_fs_cgroup() -> None:
    names = {name: (kind, options) for kind, options, name in views(hierarchies(MOUNTINFO))}
    assert names["cpu,cpuacct"] == ("cgroup", "cpu,cpuacct")
    assert names["systemd"][1].endswith("name=systemd")
    assert "unified" not in names
    assert views((Hierarchy("/sys/fs/cgroup", True, frozenset(), ""),)) == [("cgroup2", "", "")]


def settings(resources: Resources, found: tuple[Hierarchy, ...]) -> dict[str, str]:
    return {f"{h.path}/{name}": value for h, s in _assign(resources, found) for name, value in s}


def test_limits_of_version_2_go_to_one_group() -> None:
    assert settings(LIMITS, V2) == {
        "/g/memory.max": "1000",
        "/g/memory.swap.max?": "2000",
        "/g/pids.max": "5",
        "/g/cpu.max": "20000 100000",
        "/g/cpu.weight": "39",
        "/g/cpuset.cpus": "0-1",
    }


def test_limits_of_version_1_go_where_the_controller_is() -> None:
    found = (*V1, Hierarchy("/g/set", False, frozenset({"cpuset"}), "cpuset"))
    assert settings(LIMITS, found) == {
        "/g/memory/memory.limit_in_bytes": "1000",
        "/g/pids/pids.max": "5",
        "/g/cpu/cpu.cfs_period_us": "100000",
        "/g/cpu/cpu.cfs_quota_us": "20000",
        "/g/cpu/cpu.shares": "1024",
        "/g/set/cpuset.cpus": "0-1",
    }


def test_no_limit_is_max() -> None:
    assert settings(Resources(pids=-1), V2) == {"/g/pids.max": "max"}
    assert settings(Resources(memory=5, memory_swap=-1), V2)["/g/memory.swap.max?"] == "max"


def test_a_limit_without_its_controller_is_refused_by_name() -> None:
    with pytest.raises(NoControlGroup, match='"cpuset"'):
        settings(LIMITS, V1)
    with pytest.raises(NoControlGroup, match='"memory"'):
        settings(Resources(memory=1), ())
