"""Image configs: what to run, and of which layers the tree is made (image-spec, config.md).

Docker's own fields (Healthcheck, OnBuild, Shell) are read too; what is not known here survives in
`extra`. A config's digest is the image ID.
"""

from __future__ import annotations

from collections.abc import Mapping

from lamina.errors import Invalid
from lamina.oci import document
from lamina.oci.digest import DiffID, Digest
from lamina.oci.document import Fields
from lamina.oci.platform import Platform
from lamina.values import dataclass, field

_TOP = frozenset(
    "architecture author config created history os os.features os.version rootfs variant".split()  # noqa: SIM905
)
_RUN = frozenset(
    [
        "User",
        "ExposedPorts",
        "Env",
        "Entrypoint",
        "Cmd",
        "Volumes",
        "WorkingDir",
        "Labels",
        "StopSignal",
        "Healthcheck",
        "OnBuild",
        "Shell",
        "ArgsEscaped",
    ]
)


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How to ask a container whether it is well. Times in nanoseconds; 0 means inherited."""

    test: tuple[str, ...] = ()  # ("NONE",), ("CMD", …) or ("CMD-SHELL", text)
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What a container of the image starts with (config.md, "config")."""

    user: str = ""
    exposed_ports: tuple[str, ...] = ()  # "80/tcp"
    env: tuple[str, ...] = ()  # "NAME=value"
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None
    on_build: tuple[str, ...] = ()
    shell: tuple[str, ...] | None = None
    args_escaped: bool = False
    extra: Mapping[str, object] = field(default_factory=dict, hash=False)

    def environment(self) -> dict[str, str]:
        """`env` as names and values; the last of a name counts, one without "=" is empty."""
        return {name: value for name, _, value in (entry.partition("=") for entry in self.env)}

    def to_json(self) -> dict[str, object]:
        """The JSON object in the order of Docker's Go types, without what is empty."""
        found: dict[str, object] = {
            "User": self.user,
            "ExposedPorts": _set(self.exposed_ports),
            "Env": list(self.env),
            "Entrypoint": _list(self.entrypoint),
            "Cmd": _list(self.cmd),
            "Volumes": _set(self.volumes),
            "WorkingDir": self.working_dir,
            "Labels": dict(sorted(self.labels.items())),
            "StopSignal": self.stop_signal,
            "ArgsEscaped": self.args_escaped,
            "Healthcheck": _healthcheck_json(self.healthcheck),
            "OnBuild": list(self.on_build),
            "Shell": _list(self.shell),
        }
        found = {key: value for key, value in found.items() if value}
        # An entrypoint that is empty on purpose takes away the base's, so it is said.
        if self.entrypoint == ():
            found["Entrypoint"] = []
        if self.cmd == ():
            found["Cmd"] = []
        return found | dict(sorted(self.extra.items()))


@dataclass(frozen=True, slots=True)
class History:
    """What one instruction did (config.md, "history")."""

    created: str | None = None  # RFC 3339
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False

    def to_json(self) -> dict[str, object]:
        found: dict[str, object] = {
            "created": self.created,
            "created_by": self.created_by,
            "author": self.author,
            "comment": self.comment,
            "empty_layer": self.empty_layer,
        }
        return {key: value for key, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """One image's config document, with the bytes it came in."""

    raw: bytes
    platform: Platform
    created: str | None  # RFC 3339
    author: str | None
    config: RunConfig
    diff_ids: tuple[DiffID, ...]  # bottom first
    history: tuple[History, ...]  # oldest first
    extra: Mapping[str, object] = field(default_factory=dict, hash=False)

    @property
    def digest(self) -> Digest:
        """The image ID."""
        return Digest.of(self.raw)

    @classmethod
    def make(
        cls,
        *,
        platform: Platform,
        config: RunConfig | None = None,
        diff_ids: tuple[DiffID, ...] = (),
        history: tuple[History, ...] = (),
        created: str | None = None,
        author: str | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> ImageConfig:
        """The config of these values: the same values give the same bytes, in Docker's order."""
        config = config if config is not None else RunConfig()
        extra = dict(extra or {})
        found: dict[str, object] = {
            "architecture": platform.architecture,
            "author": author,
            "config": config.to_json(),
            "created": created,
            "history": [entry.to_json() for entry in history],
            "os": platform.os,
            "os.features": list(platform.os_features),
            "os.version": platform.os_version,
            "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in diff_ids]},
            "variant": platform.variant,
        }
        found = {key: value for key, value in found.items() if value or key == "config"}
        raw = document.dump(dict(sorted((extra | found).items())))
        return cls(raw, platform, created, author, config, diff_ids, history, extra)


def parse(raw: bytes, *, strict: bool = False) -> ImageConfig:
    """The config that `raw` spells; BadDocument says which field is wrong and what was expected.

    `strict` also refuses what real images have but the JSON schema forbids: null for absent, a time
    that is not RFC 3339, a variable without "=".
    """
    fields = Fields(document.load(raw, "config", limit=document.CONFIG_LIMIT), "", strict=strict)
    run = fields.inner("config")
    return ImageConfig(
        raw=raw,
        platform=Platform(
            os=fields.need_text("os"),
            architecture=fields.need_text("architecture"),
            variant=fields.text("variant"),
            os_version=fields.text("os.version"),
            os_features=fields.texts("os.features") or (),
        ),
        created=_read_time(fields, "created"),
        author=fields.optional_text("author"),
        config=read_run(run) if run is not None else RunConfig(),
        diff_ids=_read_diff_ids(fields),
        history=tuple(_read_history(entry) for entry in fields.inners("history")),
        extra=fields.others(_TOP),
    )


def read_run(fields: Fields) -> RunConfig:
    """What a container starts with, out of the object that config documents call "config"."""
    health = fields.inner("Healthcheck", nullable=True)
    env = fields.texts("Env") or ()
    for at, entry in enumerate(env):
        if fields.strict and "=" not in entry:
            raise fields.refuse(f"Env[{at}]", entry, '"NAME=value"')
    return RunConfig(
        user=fields.text("User"),
        exposed_ports=fields.keys_of("ExposedPorts"),
        env=env,
        entrypoint=fields.texts("Entrypoint", nullable=True),
        cmd=fields.texts("Cmd", nullable=True),
        volumes=fields.keys_of("Volumes", nullable=True),
        working_dir=fields.text("WorkingDir"),
        labels=fields.text_map("Labels", nullable=True),
        stop_signal=fields.text("StopSignal"),
        healthcheck=_read_healthcheck(health) if health is not None else None,
        on_build=fields.texts("OnBuild", nullable=True) or (),
        shell=fields.texts("Shell", nullable=True),
        args_escaped=fields.boolean("ArgsEscaped"),
        extra=fields.others(_RUN),
    )


def _read_healthcheck(fields: Fields) -> Healthcheck:
    return Healthcheck(
        test=fields.texts("Test") or (),
        interval=fields.optional_integer("Interval") or 0,
        timeout=fields.optional_integer("Timeout") or 0,
        start_period=fields.optional_integer("StartPeriod") or 0,
        start_interval=fields.optional_integer("StartInterval") or 0,
        retries=fields.optional_integer("Retries") or 0,
    )


def _read_diff_ids(fields: Fields) -> tuple[DiffID, ...]:
    rootfs = fields.inner("rootfs")
    if rootfs is None:
        raise fields.missing("rootfs", "the layers' diff IDs")
    kind = rootfs.need_text("type") if fields.strict else rootfs.text("type", "layers")
    if kind != "layers":
        raise rootfs.refuse("type", kind, '"layers"')
    if fields.strict and not rootfs.has("diff_ids"):
        raise rootfs.missing("diff_ids", "an array")
    found: list[DiffID] = []
    for at, text in enumerate(rootfs.texts("diff_ids") or ()):
        try:
            found.append(DiffID(Digest.parse(text)))
        except Invalid:
            raise rootfs.refuse(f"diff_ids[{at}]", text[:160], "a digest") from None
    return tuple(found)


def _read_history(fields: Fields) -> History:
    return History(
        created=_read_time(fields, "created"),
        created_by=fields.text("created_by"),
        author=fields.text("author"),
        comment=fields.text("comment"),
        empty_layer=fields.boolean("empty_layer"),
    )


def _read_time(fields: Fields, key: str) -> str | None:
    text = fields.optional_text(key)
    if text is not None and fields.strict and not _is_time(text):
        raise fields.refuse(key, text, "a time as in RFC 3339")
    return text


def _is_time(text: str) -> bool:
    import re

    return bool(
        re.fullmatch(
            r"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt][0-2][0-9]:[0-5][0-9]:[0-6][0-9](?:\.[0-9]+)?"
            r"(?:[Zz]|[+-][0-2][0-9]:[0-5][0-9])",
            text,
        )
    )


def _healthcheck_json(check: Healthcheck | None) -> dict[str, object]:
    if check is None:
        return {}
    found: dict[str, object] = {
        "Test": list(check.test),
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
        "Retries": check.retries,
    }
    return {key: value for key, value in found.items() if value}


def _set(names: tuple[str, ...]) -> dict[str, object]:
    return {name: {} for name in sorted(set(names))}


def _list(words: tuple[str, ...] | None) -> list[str] | None:
    return list(words) if words is not None else None
