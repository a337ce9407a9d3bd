"""One stage's instructions into steps, config and history.

What each instruction does to the config and how its history entry reads follows BuildKit, so
that tools which read `docker history` find what they know, the "# buildkit" mark included.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from lamina.build.copying import CopySpec, check
from lamina.build.graph import (
    ContextTree,
    CopyOp,
    HistoryDraft,
    Op,
    RunMount,
    RunOp,
    Scratch,
    Tree,
    WorkdirOp,
)
from lamina.dockerfile import heredocs, words
from lamina.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Command,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Heredoc,
    Instruction,
    Label,
    Maintainer,
    OnBuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from lamina.dockerfile.source import Span
from lamina.dockerfile.stages import Stage
from lamina.errors import Invalid, Unsupported
from lamina.late import json, re
from lamina.oci.config import Healthcheck as HealthcheckConfig
from lamina.oci.config import RunConfig
from lamina.oci.platform import Platform
from lamina.values import dataclass, field, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Protocol

    from lamina.build.reach import Options
else:
    Protocol = object

DEFAULT_SHELL = ("/bin/sh", "-c")
SCRIPT_DIRECTORY = "/dev/pipes"  # where BuildKit, too, puts a heredoc that has a "#!" line
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
_REMOTE = r"(?i:(https?|git|ssh)://|git@)"


@dataclass(slots=True)
class StageState:
    """What a stage has come to so far; only the planner changes it."""

    stage: Stage
    label: str  # in front of step numbers; "" where there is one stage only
    total: int  # steps of the stage, FROM among them
    platform: Platform
    use_cache: bool
    tree: Tree = field(default_factory=Scratch)
    base: int | None = None  # into the graph's images
    config: RunConfig = field(default_factory=lambda: RunConfig(working_dir="/"))
    author: str | None = None
    env: dict[str, str] = field(default_factory=dict)  # ENV and ARG, what a RUN sees
    args: list[tuple[str, str | None]] = field(default_factory=list)
    history: list[HistoryDraft] = field(default_factory=list)
    position: int = 0
    has_cmd: bool = False

    def inherit(self, other: StageState) -> None:
        """Stand on another stage: its tree, config, and the ARGs that it has declared."""
        self.tree = other.tree
        self.base = other.base
        self.config = replace(other.config, on_build=())
        self.author = other.author
        self.platform = other.platform
        self.env = dict(other.env)
        self.args = list(other.args)
        self.history = list(other.history)

    def complete_environment(self, default_path: str) -> None:
        """See that PATH is set, and that `env` holds what the config does."""
        environment = self.config.environment()
        if "PATH" not in environment and self.platform.os != "windows":
            self.config = replace(self.config, env=(*self.config.env, f"PATH={default_path}"))
            environment["PATH"] = default_path
        for name, value in environment.items():
            self.env.setdefault(name, value)

    @property
    def working_dir(self) -> str:
        return posixpath.normpath(posixpath.join("/", self.config.working_dir or "/"))


class Surroundings(Protocol):
    """What a stage needs to know of the whole build."""

    options: Options
    global_args: dict[str, str]
    epoch: int | None
    escape: str

    def expand(self, word: str, env: Mapping[str, str]) -> str: ...

    def context_tree(self, name: str) -> ContextTree: ...

    def source_tree(self, name: str, platform: Platform, *, by_number: bool) -> Tree: ...

    def add_step(self, state: StageState, op: Op, text: str, span: Span, key: str = "") -> None: ...


class Lowering:
    """Takes the instructions of one stage in order; raises Invalid for what is wrong in one."""

    def __init__(self, build: Surroundings, state: StageState) -> None:
        self.build = build
        self.state = state

    def lower(self, instruction: Instruction) -> None:
        """Apply one instruction to the stage."""
        match instruction:
            case Arg():
                self._arg(instruction)
            case Env():
                self._env(instruction)
            case Label():
                self._label(instruction)
            case Run():
                self._run(instruction)
            case Copy() | Add():
                self._copy(instruction)
            case Workdir():
                self._workdir(instruction)
            case User():
                user = self._expand(instruction.user)
                self._set(f"USER {user}", user=user)
            case Cmd():
                self.state.has_cmd = True
                words_ = self._command(instruction.command)
                self._set(f"CMD {_go_words(words_)}", cmd=words_)
            case Entrypoint():
                self._entrypoint(instruction)
            case Expose():
                self._expose(instruction)
            case Volume():
                self._volume(instruction)
            case Shell():
                self._set(f"SHELL [{' '.join(instruction.args)}]", shell=instruction.args)
            case StopSignal():
                self._stop_signal(instruction)
            case Healthcheck():
                self._healthcheck(instruction)
            case OnBuild():
                triggers = (*self.state.config.on_build, instruction.trigger)
                self.state.config = replace(self.state.config, on_build=triggers)
            case Maintainer():
                self.state.author = instruction.author
                self._set(f"MAINTAINER {instruction.author}")
            case _:
                raise Unsupported(f"{instruction.name} is not built yet")

    # -- small words -----------------------------------------------------------------------

    def _expand(self, word: str) -> str:
        return self.build.expand(word, self.state.env)

    def _set(self, created_by: str, **changes: object) -> None:
        """Change the config, with a history entry that has no layer."""
        self.state.config = replace(self.state.config, **changes)  # type: ignore[arg-type]
        self.state.history.append(HistoryDraft(created_by))

    def _step(self, op: Op, instruction: Instruction, created_by: str, key: str) -> None:
        """Add a step, with a history entry for its layer."""
        text = created_by if isinstance(op, CopyOp | WorkdirOp) else key
        prefix = "" if text.startswith(instruction.name) else f"{instruction.name} "
        self.build.add_step(self.state, op, prefix + text, instruction.span, key)
        index = self.state.tree.index  # type: ignore[union-attr]  # a step has just been added
        mark = "" if isinstance(op, WorkdirOp) else " # buildkit"
        self.state.history.append(HistoryDraft(created_by + mark, index))

    # -- variables -------------------------------------------------------------------------

    def _arg(self, instruction: Arg) -> None:
        given = self.build.options.build_args
        shown: list[str] = []
        for name, default in instruction.args:
            value: str | None
            if name in given:
                value = given[name]
                if name == "SOURCE_DATE_EPOCH" and self.build.epoch is not None:
                    value = str(self.build.epoch)
            elif default is not None:
                value = self._expand(default)
            else:
                value = self.build.global_args.get(name)
            if value is not None:
                self.state.env[name] = value
            self.state.args.append((name, value))
            shown.append(name if value is None else f"{name}={value}")
        self._set(f"ARG {' '.join(shown)}")

    def _env(self, instruction: Env) -> None:
        pairs = [(self._expand(name), self._expand(value)) for name, value in instruction.pairs]
        env = {line.partition("=")[0]: line for line in self.state.config.env}
        for name, value in pairs:
            self.state.env[name] = value
            env[name] = f"{name}={value}"
        text = " ".join(f"{name}={value}" for name, value in pairs)
        self._set(f"ENV {text}", env=tuple(env.values()))

    def _label(self, instruction: Label) -> None:
        pairs = [(self._expand(name), self._expand(value)) for name, value in instruction.pairs]
        text = " ".join(f"{name}={value}" for name, value in pairs)
        self._set(f"LABEL {text}", labels={**self.state.config.labels, **dict(pairs)})

    # -- config ----------------------------------------------------------------------------

    def _command(self, command: Command) -> tuple[str, ...]:
        if not command.is_shell:
            return command.args
        return (*(self.state.config.shell or DEFAULT_SHELL), " ".join(command.args))

    def _entrypoint(self, instruction: Entrypoint) -> None:
        entrypoint = self._command(instruction.command)
        cmd = self.state.config.cmd if self.state.has_cmd else None
        self._set(f"ENTRYPOINT {_go_words(entrypoint)}", entrypoint=entrypoint, cmd=cmd)

    def _expose(self, instruction: Expose) -> None:
        from lamina.dockerfile import ports

        found: list[str] = []
        for text in instruction.ports:
            for word in words.expand_to_words(text, self.state.env, escape=self.build.escape):
                found += ports.parse_ports(word)
        exposed = dict.fromkeys((*self.state.config.exposed_ports, *found))
        self._set(f"EXPOSE [{' '.join(found)}]", exposed_ports=tuple(sorted(exposed)))

    def _volume(self, instruction: Volume) -> None:
        paths = [self._expand(path) for path in instruction.paths]
        if "" in paths:
            raise Invalid("VOLUME cannot be an empty string")
        volumes = dict.fromkeys((*self.state.config.volumes, *paths))
        self._set(f"VOLUME [{' '.join(paths)}]", volumes=tuple(sorted(volumes)))

    def _stop_signal(self, instruction: StopSignal) -> None:
        text = self._expand(instruction.signal)
        if not is_signal(text):
            raise Invalid(
                f'invalid signal "{text}"', hint='expected a name such as "SIGTERM", or a number'
            )
        self._set(f"STOPSIGNAL {text}", stop_signal=text)

    def _healthcheck(self, line: Healthcheck) -> None:
        check_ = HealthcheckConfig(
            test=line.test,
            interval=line.interval,
            timeout=line.timeout,
            start_period=line.start_period,
            start_interval=line.start_interval,
            retries=line.retries,
        )
        self._set(line.original, healthcheck=check_)

    # -- steps -----------------------------------------------------------------------------

    def _workdir(self, instruction: Workdir) -> None:
        written = self._expand(instruction.path)
        path = posixpath.normpath(posixpath.join(self.state.working_dir, written))
        path = "/" + path.lstrip("/")
        if written.endswith("/") and path != "/":
            path += "/"  # BuildKit keeps the slash in the config
        self.state.config = replace(self.state.config, working_dir=path)
        created_by = f"WORKDIR {path}"
        if path == "/":
            self.state.history.append(HistoryDraft(created_by))
            return
        op = WorkdirOp(path, self.state.config.user)
        self._step(op, instruction, created_by, created_by)

    def _run(self, instruction: Run) -> None:
        if instruction.security != "sandbox":
            raise Unsupported(f"RUN --security={instruction.security} is not built yet")
        if instruction.devices:
            raise Unsupported("RUN --device is not built yet")
        args, script = self._run_arguments(instruction.command)
        if not args:
            raise Invalid("RUN needs a command", hint='for example RUN ["ls", "-l"]')
        options = self.build.options
        network = instruction.network if instruction.network != "default" else options.network
        op = RunOp(
            args=args,
            env=tuple(self.state.env.items()),
            working_dir=self.state.working_dir,
            user=self.state.config.user,
            mounts=tuple(self._mount(text) for text in instruction.mounts),
            network=network,
            hosts=options.hosts,
            ulimits=options.ulimits,
            shm_size=options.shm_size,
            script=script,
            proxies=proxies(options.build_args),
        )
        flags = [flag for flag in instruction.flags if not flag.startswith("--mount")]
        key = " ".join(["RUN", *flags, *instruction.command.args])
        created_by = f"RUN {self._shown_args()}{' '.join(args)}"
        self._step(op, instruction, created_by, key)

    def _run_arguments(self, command: Command) -> tuple[tuple[str, ...], tuple[str, bytes] | None]:
        """The words to execute; a heredoc is the script, or a file with a "#!" line."""
        if not command.heredocs:
            return self._command(command), None
        if not command.is_shell or len(command.args) != 1:
            raise Invalid("a heredoc needs the shell form of RUN")
        line = command.args[0]
        if heredocs.parse_mark(line) is not None:
            document = command.heredocs[0]
            content = chomped(document)
            if content.startswith("#!"):
                path = f"{SCRIPT_DIRECTORY}/{document.name}"
                return (path,), (document.name, _encode(content))
            return self._command(replace(command, args=(content,))), None
        text = line
        for document in command.heredocs:
            text += f"\n{document.content}{document.name}"
        return self._command(replace(command, args=(text,))), None

    def _shown_args(self) -> str:
        """`|1 VERSION=2 `, as Docker writes build arguments in front of the command."""
        values = {name: self.state.env.get(name, value or "") for name, value in self.state.args}
        if not values:
            return ""
        return f"|{len(values)} " + "".join(f"{name}={value} " for name, value in values.items())

    def _mount(self, text: str) -> RunMount:
        from lamina.build.mounting import lower_mount

        def source(name: str | None) -> Tree:
            if name is None:
                return self.build.context_tree("")
            return self.build.source_tree(name, self.state.platform, by_number=False)

        return lower_mount(text, self._expand, self.state.working_dir, source)

    def _copy(self, line: Copy | Add) -> None:
        source: Tree = self.build.context_tree("") if self._reads_context(line) else Scratch()
        if isinstance(line, Copy) and line.from_ is not None:
            source = self._from_tree(line.from_)
        if isinstance(line, Add):
            self._refuse_remote(line)
        spec = CopySpec(
            sources=tuple(self._expand(path) for path in line.sources),
            destination=self._expand(line.destination),
            working_dir=self.state.working_dir,
            chown=self._expand(line.chown) if line.chown is not None else None,
            chmod=self._expand(line.chmod) if line.chmod is not None else None,
            parents=isinstance(line, Copy) and line.parents,
            excludes=tuple(self._expand(pattern) for pattern in line.excludes),
            link=line.link,
            unpack=isinstance(line, Add) and line.unpack is not False,
            inline=tuple(self._inline(document) for document in line.heredocs),
        )
        check(spec)
        created_by = _copy_text(line, spec)
        key = created_by
        if isinstance(line, Copy) and line.from_ is not None:
            key = created_by.replace("COPY", f"COPY --from={line.from_}", 1)
        self._step(CopyOp(spec, source), line, created_by, key)

    def _reads_context(self, line: Copy | Add) -> bool:
        return bool(line.sources) and not (isinstance(line, Copy) and line.from_ is not None)

    def _from_tree(self, name: str) -> Tree:
        if words.expand(name, {}) != name:
            raise Invalid(
                "variable expansion is not supported for --from",
                hint="give the image a stage of its own, FROM $NAME AS stage, and name that",
            )
        return self.build.source_tree(name, self.state.platform, by_number=True)

    def _refuse_remote(self, line: Add) -> None:
        remote = [path for path in line.sources if re.match(_REMOTE, self._expand(path))]
        if line.checksum is not None and not remote:
            raise Invalid("checksum requires HTTP(S) or Git sources")
        if line.keep_git_dir is not None:
            raise Unsupported("ADD --keep-git-dir is not built yet")
        if remote:
            raise Unsupported(
                f'ADD from "{remote[0]}" is not built yet',
                hint="fetch it in a RUN instruction, or put it into the build context",
            )

    def _inline(self, document: Heredoc) -> tuple[str, bytes]:
        content = chomped(document)
        if document.expand:
            content = words.expand(content, self.state.env, skip_quotes=True)
        return document.name, _encode(content)


def chomped(document: Heredoc) -> str:
    """The content, without leading tabs where `<<-` asks for it."""
    return heredocs.chomp(document.content) if document.chomp else document.content


def proxies(build_args: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The predefined proxy ARGs that were given, each in both cases (Dockerfile reference)."""
    found: dict[str, str] = {}
    for name, value in sorted(build_args.items()):
        if name.upper() in _PROXIES:
            found[name.upper()] = value
            found[name.lower()] = value
    return tuple(found.items())


def is_signal(text: str) -> bool:
    """Whether Linux has that signal: a number from 1 to 64, or a name with or without SIG."""
    import signal

    if text.isascii() and text.isdigit():
        return 1 <= int(text) <= 64
    name = text.upper().removeprefix("SIG")
    if re.fullmatch(r"RTMIN(\+\d{1,2})?|RTMAX(-\d{1,2})?", name):
        return True
    return f"SIG{name}" in signal.Signals.__members__


def _copy_text(line: Copy | Add, spec: CopySpec) -> str:
    parts = [line.name]
    for flag in line.flags:
        name = flag.partition("=")[0]
        if name == "--chown":
            parts.append(f"--chown={spec.chown}")
        elif name == "--chmod":
            parts.append(f"--chmod={spec.chmod}")
        elif name != "--from":
            parts.append(flag)
    parts += spec.sources
    parts += [f"<<{name}" for name, _ in spec.inline]
    parts.append(spec.destination)
    return " ".join(parts)


def _go_words(args: tuple[str, ...]) -> str:
    """As Go prints a list of quoted strings, which is what Docker's history shows."""
    return "[" + " ".join(json.dumps(arg, ensure_ascii=False) for arg in args) + "]"


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
