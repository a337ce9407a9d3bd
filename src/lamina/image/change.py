"""Dockerfile instructions applied to a config, for `import --change` and `commit --change`."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from lamina.dockerfile import instruction, ports, words
from lamina.dockerfile import instructions as lines
from lamina.errors import Unsupported
from lamina.oci.config import Healthcheck, RunConfig
from lamina.values import replace

_SHELL = ("/bin/sh", "-c")
_ALLOWED = "CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR"


def changed(config: RunConfig, changes: Iterable[str]) -> RunConfig:
    """`config` after each of `changes`, "ENV A=b" and the like, in order.

    Invalid if one cannot be read, Unsupported if it would change files.
    """
    for text in changes:
        config = _apply(config, instruction(text))
    return config


def _apply(config: RunConfig, line: lines.Instruction) -> RunConfig:
    env = config.environment()

    def expand(word: str) -> str:
        return words.expand(word, env)

    match line:
        case lines.Cmd():
            return replace(config, cmd=_words(config, line.command))
        case lines.Entrypoint():
            return replace(config, entrypoint=_words(config, line.command))
        case lines.Env():
            said = {expand(name): expand(value) for name, value in line.pairs}
            return replace(config, env=tuple(f"{k}={v}" for k, v in (env | said).items()))
        case lines.Label():
            labels = {expand(name): expand(value) for name, value in line.pairs}
            return replace(config, labels={**config.labels, **labels})
        case lines.Expose():
            spelled = [word for text in line.ports for word in words.expand_to_words(text, env)]
            found = [port for word in spelled for port in ports.parse_ports(word)]
            return replace(config, exposed_ports=_united(config.exposed_ports, found))
        case lines.Volume():
            paths = [expand(path) for path in line.paths]
            return replace(config, volumes=_united(config.volumes, paths))
        case lines.User():
            return replace(config, user=expand(line.user))
        case lines.Workdir():
            path = posixpath.join("/", config.working_dir, expand(line.path))
            return replace(config, working_dir="/" + posixpath.normpath(path).lstrip("/"))
        case lines.StopSignal():
            return replace(config, stop_signal=expand(line.signal))
        case lines.Healthcheck():
            check = Healthcheck(
                line.test,
                line.interval,
                line.timeout,
                line.start_period,
                line.start_interval,
                line.retries,
            )
            return replace(config, healthcheck=check)
        case lines.OnBuild():
            return replace(config, on_build=(*config.on_build, line.trigger))
    raise Unsupported(
        f'"{line.name}" cannot change an image that is there already',
        hint=f"the instructions that can are {_ALLOWED}",
    )


def _words(config: RunConfig, command: lines.Command) -> tuple[str, ...]:
    if not command.is_shell:
        return command.args
    return (*(config.shell or _SHELL), " ".join(command.args))


def _united(before: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*before, *more}))
