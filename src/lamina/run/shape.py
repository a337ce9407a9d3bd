"""A container as `docker inspect` shows it (Engine API, "ContainerInspect")."""

from __future__ import annotations

from lamina.run.clock import timestamp
from lamina.run.container import Container, MountPoint
from lamina.run.create import volume_path
from lamina.run.ground import Ground
from lamina.run.mounts import MountKind
from lamina.run.options import Options
from lamina.run.state import State, Status

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any


def inspected(ground: Ground, container: Container, state: State) -> dict[str, Any]:
    """The JSON document, in Docker's order; what Lamina does not have is left out."""
    directory = ground.ledger.directory(container.id)
    options = container.options
    log = f"{directory}/log.json"
    return {
        "Id": container.id,
        "Created": timestamp(container.created),
        "Path": container.args[0],
        "Args": list(container.args[1:]),
        "State": _state(state),
        "Image": str(container.image_id),
        "ResolvConfPath": f"{directory}/resolv.conf",
        "HostnamePath": f"{directory}/hostname",
        "HostsPath": f"{directory}/hosts",
        "LogPath": log if options.log_driver == "json-file" else "",
        "Name": f"/{container.name}",
        "RestartCount": 0,
        "Driver": ground.snapshotter().name,
        "Platform": container.platform.partition("/")[0],
        "HostConfig": _host_config(container),
        "Mounts": [_mount(ground, container, mount) for mount in container.mounts],
        "Config": _config(container),
        "NetworkSettings": {
            "Ports": {},
            "Networks": {options.network: {"IPAddress": "", "Gateway": "", "MacAddress": ""}},
        },
        "ImageManifestDescriptor": {
            "digest": str(container.manifest),
            "platform": dict(
                zip(("os", "architecture", "variant"), container.platform.split("/"), strict=False)
            ),
        },
    }


def _state(state: State) -> dict[str, Any]:
    return {
        "Status": state.status.value,
        "Running": state.is_running,
        "Paused": state.status is Status.PAUSED,
        "Restarting": False,
        "OOMKilled": state.oom_killed,
        "Dead": state.status is Status.DEAD,
        "Pid": state.process.pid if state.is_running and state.process else 0,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": timestamp(state.started),
        "FinishedAt": timestamp(state.finished),
    }


def _host_config(container: Container) -> dict[str, Any]:
    options = container.options
    return {
        "Binds": _binds(container) or None,
        "LogConfig": {"Type": options.log_driver, "Config": {}},
        "NetworkMode": options.network,
        "PortBindings": {},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "AutoRemove": options.remove,
        "CapAdd": list(options.cap_add) or None,
        "CapDrop": list(options.cap_drop) or None,
        "CgroupnsMode": "private",
        "Dns": list(options.dns),
        "DnsOptions": list(options.dns_options),
        "DnsSearch": list(options.dns_search),
        "ExtraHosts": [f"{name}:{address}" for name, address in options.add_hosts] or None,
        "GroupAdd": list(options.groups) or None,
        "IpcMode": "private",
        "OomScoreAdj": options.oom_score_adj or 0,
        "PidMode": "",
        "Privileged": options.privileged,
        "PublishAllPorts": False,
        "ReadonlyRootfs": options.read_only,
        "SecurityOpt": _security(options) or None,
        "Tmpfs": {
            mount.target: ",".join(mount.options)
            for mount in container.mounts
            if mount.kind is MountKind.TMPFS
        }
        or None,
        "ShmSize": options.shm_size,
        "Sysctls": dict(options.sysctls) or None,
        "Runtime": options.runtime,
        "CpuShares": options.cpu_shares or 0,
        "Memory": options.memory or 0,
        "NanoCpus": options.nano_cpus or 0,
        "CpuPeriod": options.cpu_period or 0,
        "CpuQuota": options.cpu_quota or 0,
        "CpusetCpus": options.cpuset_cpus or "",
        "CpusetMems": options.cpuset_mems or "",
        "Devices": [
            {"PathOnHost": here, "PathInContainer": there, "CgroupPermissions": "rwm"}
            for here, there in options.devices
        ],
        "MemorySwap": options.memory_swap or (2 * options.memory if options.memory else 0),
        "PidsLimit": options.pids_limit,
        "Ulimits": [
            {"Name": limit.name, "Hard": limit.hard, "Soft": limit.soft}
            for limit in options.ulimits
        ],
        "Init": options.init,
    }


def _binds(container: Container) -> list[str]:
    binds = []
    for mount in container.mounts:
        source = mount.source if mount.kind is MountKind.BIND else mount.name
        if mount.kind is not MountKind.TMPFS and not mount.anonymous:
            mode = "ro" if mount.read_only else "rw"
            binds.append(f"{source}:{mount.target}:{mode}")
    return binds


def _security(options: Options) -> list[str]:
    words = ["no-new-privileges"] if options.no_new_privileges else []
    if options.seccomp is not None:
        words.append(f"seccomp={options.seccomp}")
    return words


def _mount(ground: Ground, container: Container, mount: MountPoint) -> dict[str, Any]:
    document: dict[str, Any] = {"Type": mount.kind.value}
    source = mount.source
    if mount.kind is MountKind.VOLUME:
        document["Name"] = mount.name
        document["Driver"] = "local"
        source = volume_path(ground, container, mount)
    return document | {
        "Source": source,
        "Destination": mount.target,
        "Mode": ",".join(mount.options),
        "RW": not mount.read_only,
        "Propagation": (mount.propagation or "rprivate") if mount.kind is MountKind.BIND else "",
    }


def _config(container: Container) -> dict[str, Any]:
    options = container.options
    document: dict[str, Any] = {
        "Hostname": container.hostname,
        "Domainname": options.domainname,
        "User": container.user,
        "AttachStdin": options.attached and options.interactive,
        "AttachStdout": options.attached,
        "AttachStderr": options.attached,
    }
    if container.exposed_ports:
        document["ExposedPorts"] = {port: {} for port in container.exposed_ports}
    document |= {
        "Tty": options.tty,
        "OpenStdin": options.interactive,
        "StdinOnce": options.interactive and options.attached,
        "Env": list(container.env),
        "Cmd": list(container.args[len(container.entrypoint) :]) or None,
        "Image": options.image,
        "Volumes": {
            mount.target: {}
            for mount in container.mounts
            if mount.kind is MountKind.VOLUME and mount.anonymous
        }
        or None,
        "WorkingDir": container.workdir,
        "Entrypoint": list(container.entrypoint) or None,
        "Labels": dict(container.labels),
        "StopSignal": container.stop_signal,
    }
    if options.stop_timeout is not None:
        document["StopTimeout"] = options.stop_timeout
    return document
