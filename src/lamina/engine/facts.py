"""What `lamina info` says of the store and of this machine."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine.engine import Engine


def collect(engine: Engine) -> dict[str, str | int]:
    """Names and values, in the order to show them; makes no store where there is none."""
    from lamina.oci import platform

    states = [state for _, state in engine.ground.ledger.all()]
    running = sum(1 for state in states if state.is_running)
    kernel = os.uname()
    host = platform.default()
    found: dict[str, str | int] = {
        "Root": str(engine.root),
        "Images": len({one.named.descriptor.digest for one in engine.images(with_sizes=False)}),
        "Containers": len(states),
        "Running": running,
        "Stopped": len(states) - running,
        "Runtime": engine.settings.runtime,
        "Cgroups": _cgroups(),
        "Kernel": kernel.release,
        "Platform": platform.format(host),
        "CPUs": os.cpu_count() or 1,
    }
    if engine.is_empty:
        return found | {"Snapshotter": engine.settings.snapshotter or "not chosen yet"}
    snapshotter = engine.snapshotter
    found |= {
        "Snapshotter": snapshotter.name,
        "Snapshotter chosen": snapshotter.why or "by the settings",
    }
    forms = snapshotter.forms()
    if forms.tars:
        found["Layers kept as tars"] = forms.tars
        found["Layers extracted"] = forms.extracted
        found["Bytes of tars beside compressed blobs"] = forms.spare
    return found


def _cgroups() -> str:
    """Which versions of control groups are mounted."""
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        return "v2"
    if os.path.exists("/sys/fs/cgroup/unified/cgroup.procs"):
        return "v1 and v2"
    return "v1" if os.path.isdir("/sys/fs/cgroup/memory") else "none"
