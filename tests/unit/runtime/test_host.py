from __future__ import annotations

import pytest

from lamina.errors import Denied, Unsupported
from lamina.runtime.host import Host, check_rights, look
from lamina.values import replace


def test_root_with_its_capabilities_may_run() -> None:
    check_rights(Host())


def test_another_user_may_not_and_is_told_why() -> None:
    with pytest.raises(Denied, match="needs root") as caught:
        check_rights(Host(uid=1000))
    assert "sudo" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["CAP_SYS_ADMIN", "CAP_SETPCAP", "CAP_SETUID"])
def test_a_missing_capability_is_named(name: str) -> None:
    host = Host()
    with pytest.raises(Denied, match=name):
        check_rights(replace(host, capabilities=host.capabilities - {name}))


def test_another_architecture_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="riscv64"):
        check_rights(Host(machine="riscv64"))


def test_this_host_is_described() -> None:
    host = look(devices=True)
    assert "RLIMIT_NOFILE" in host.hard_limits
    assert "/dev/null" not in {device.path for device in host.devices}
