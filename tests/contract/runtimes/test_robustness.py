"""Side by side, killed, and asked for nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from containers import Box
from lamina.fs.mounts import Bind, Overlay
from lamina.oci.config import RunConfig
from lamina.runtime import command, host
from lamina.runtime.accounts import read_accounts
from lamina.runtime.container import (
    Stdio,
)


def test_containers_start_side_by_side_from_threads(box: Box) -> None:
    statuses: list[int | None] = []

    def run(number: int) -> None:
        with box.on(Bind(lower_of(box))).start(Stdio(), "sh", "-c", f"exit {number}") as process:
            statuses.append(process.wait())

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(s for s in statuses if s is not None) == list(range(6))


def lower_of(box: Box) -> Path:
    assert isinstance(box.root, Overlay)
    return box.root.lower[0]


def test_a_killed_starter_takes_the_container_along(box: Box, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    child = os.fork()
    if not child:
        try:
            process = box.start(Stdio(), "sleep", "5432")
            pid_file.with_suffix(".new").write_text(str(process.pid))
            pid_file.with_suffix(".new").rename(pid_file)
            signal.pause()
        finally:
            os._exit(1)
    deadline = time.monotonic() + 30
    while not pid_file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    pid = int(pid_file.read_text())
    container = os.pidfd_open(pid)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    import select

    poller = select.poll()
    poller.register(container, select.POLLIN)
    assert poller.poll(20_000), "the container outlived its starter"
    os.close(container)
    while list(Path("/run/lamina").glob(f"*-bundles/test-{child}-*")):
        assert time.monotonic() < deadline, "the shim of crun and runc does not tidy up"
        time.sleep(0.01)


def test_the_image_s_config_says_what_is_not_asked(box: Box) -> None:
    from dataclasses import replace

    config = RunConfig(
        user="guest", env=("A=image",), entrypoint=("sh", "-c"), cmd=("id -un; pwd; echo $A",),
        working_dir="/opt",
    )  # fmt: skip
    asked = replace(box, config=config)
    plan = command.plan(
        f"test-{os.getpid()}-config",
        config,
        command.Options(),
        read_accounts(box.root),
        host.look(),
    )
    assert asked.run_plan(plan).lines == ["guest", "/opt", "image"]
