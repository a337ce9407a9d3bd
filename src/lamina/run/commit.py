"""A container becomes an image: its changes a layer, its settings the config (docker commit)."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence

from lamina.errors import Invalid
from lamina.oci import media_type
from lamina.oci.config import Healthcheck, History, RunConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.run.changes import changes
from lamina.run.clock import timestamp
from lamina.run.container import Container
from lamina.run.ground import Ground
from lamina.run.mounts import MountKind
from lamina.run.signals import parse_signal
from lamina.run.words import merge_env
from lamina.values import dataclass, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

    from lamina.image.view import Image
    from lamina.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How the new image is to be."""

    name: str | None = None  # the full reference; None keeps it without a name
    author: str = ""
    message: str = ""
    changes: tuple[str, ...] = ()  # Dockerfile instructions


def commit(ground: Ground, store: Store, image: Image, container: Container, wish: Wish) -> Digest:
    """Store the image that the container has become, on top of the one it was made from; its ID.

    Invalid for a change that no container can take up. Whoever wants the tree to stand still
    pauses the container before.
    """
    from lamina.image.edit import Assembly
    from lamina.layer.diff import pack
    from lamina.layer.index import encode

    config = changed(settings_of(container, image.config.config), wish.changes)
    now = timestamp(ground.clock())
    history = History(
        created=now,
        created_by=_command_line(container),
        author=wish.author,
        comment=wish.message,
    )
    with store.lease("commit") as lease:
        with store.ingest(hashes=False) as ingest:
            packed = pack(changes(ground, container), ingest)
            digest, size = ingest.commit(packed.diff_id, trusted=True)
        lease.add(digest)
        store.indexes.put(packed.diff_id, encode(packed.index))
        store.diff_ids.put(digest, packed.diff_id)
        store.crcs.put(digest, packed.crc)
        layer = Descriptor(media_type.OCI_LAYER, digest, size)
        assembly = Assembly.of(image).append(layer, packed.diff_id, history).configure(config)
        assembly = replace(assembly, author=wish.author or None)
        manifest, document = assembly.make()
        for data in (document.raw, manifest.raw):
            lease.add(store.blobs.put(data))
        if wish.name is None:
            store.names.keep(manifest.descriptor())
        else:
            store.names.tag(wish.name, manifest.descriptor())
    return document.digest


def _command_line(container: Container) -> str:
    return " ".join(container.args)


def settings_of(container: Container, image: RunConfig) -> RunConfig:
    """The container's own settings over the image's (moby, daemon/commit.go, "merge")."""
    options = container.options
    entrypoint = image.entrypoint if options.entrypoint is None else options.entrypoint
    cmd = options.command or (image.cmd if options.entrypoint is None else None)
    own = _own_variables(container, image)
    env = tuple(pair for pair in container.env if pair.partition("=")[0] not in own)
    volumes = dict.fromkeys(image.volumes)
    volumes |= dict.fromkeys(
        mount.target
        for mount in container.mounts
        if mount.kind is MountKind.VOLUME and mount.anonymous
    )
    return replace(
        image,
        user=container.user,
        env=env,
        entrypoint=entrypoint,
        cmd=cmd or None,
        working_dir=options.workdir or image.working_dir,
        labels=container.labels,
        stop_signal=options.stop_signal or image.stop_signal,
        exposed_ports=container.exposed_ports,
        volumes=tuple(volumes),
    )


def _own_variables(container: Container, image: RunConfig) -> set[str]:
    """What only the runtime set, and the next container gets anew."""
    asked = {pair.partition("=")[0] for pair in (*image.env, *container.options.env)}
    return {"PATH", "HOSTNAME", "TERM"} - asked


def changed(config: RunConfig, texts: Sequence[str]) -> RunConfig:
    """The config after `--change` instructions; Invalid, or DockerfileErrors, for what is none."""
    from lamina.dockerfile import instruction

    for text in texts:
        word = text.split(None, 1)[0].upper() if text.split() else ""
        if word not in _CHANGES:
            raise Invalid(
                f'"{word or text}" is not a change that a commit can make',
                hint=f"use one of {', '.join(sorted(_CHANGES))}",
            )
        config = _CHANGES[word](config, instruction(text))
    return config


def _expand(text: str, config: RunConfig) -> str:
    from lamina.dockerfile.words import expand

    return expand(text, config.environment())


def _command(found: Any, config: RunConfig) -> tuple[str, ...]:
    """Exec form as it is; shell form as an argument of the image's shell."""
    if not found.command.is_shell:
        return tuple(found.command.args)
    return (*(config.shell or ("/bin/sh", "-c")), *found.command.args)


def _cmd(config: RunConfig, found: Any) -> RunConfig:
    return replace(config, cmd=_command(found, config))


def _entrypoint(config: RunConfig, found: Any) -> RunConfig:
    return replace(config, entrypoint=_command(found, config))


def _env(config: RunConfig, found: Any) -> RunConfig:
    pairs = tuple(f"{key}={_expand(value, config)}" for key, value in found.pairs)
    return replace(config, env=merge_env(config.env, pairs))


def _label(config: RunConfig, found: Any) -> RunConfig:
    labels = {_expand(key, config): _expand(value, config) for key, value in found.pairs}
    return replace(config, labels={**config.labels, **labels})


def _expose(config: RunConfig, found: Any) -> RunConfig:
    from lamina.dockerfile.ports import parse_ports

    ports = [port for text in found.ports for port in parse_ports(_expand(text, config))]
    return replace(config, exposed_ports=tuple(dict.fromkeys((*config.exposed_ports, *ports))))


def _on_build(config: RunConfig, found: Any) -> RunConfig:
    return replace(config, on_build=(*config.on_build, found.trigger))


def _user(config: RunConfig, found: Any) -> RunConfig:
    return replace(config, user=_expand(found.user, config))


def _volume(config: RunConfig, found: Any) -> RunConfig:
    paths = tuple(_expand(path, config) for path in found.paths)
    return replace(config, volumes=tuple(dict.fromkeys((*config.volumes, *paths))))


def _workdir(config: RunConfig, found: Any) -> RunConfig:
    path = posixpath.join("/", config.working_dir, _expand(found.path, config))
    return replace(config, working_dir=posixpath.normpath(path))


def _stop_signal(config: RunConfig, found: Any) -> RunConfig:
    text = _expand(found.signal, config)
    parse_signal(text)
    return replace(config, stop_signal=text)


def _shell(config: RunConfig, found: Any) -> RunConfig:
    return replace(config, shell=tuple(found.args))


def _healthcheck(config: RunConfig, found: Any) -> RunConfig:
    check = Healthcheck(
        found.test,
        found.interval,
        found.timeout,
        found.start_period,
        found.start_interval,
        found.retries,
    )
    return replace(config, healthcheck=check)


# An instruction is of the class that its word says, which the types cannot know here.
_CHANGES: dict[str, Callable[[RunConfig, Any], RunConfig]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _on_build,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
