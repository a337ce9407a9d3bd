"""The instructions of a Dockerfile as values (BuildKit, "Dockerfile reference").

Values are as written: quotes kept and nothing expanded, for what a variable holds is known only
while building. `words.expand` makes the final text; `mounts.parse_mount` reads an expanded mount.
"""

from __future__ import annotations

from lamina.dockerfile.source import Span
from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Heredoc:
    """One inline document; `expand` is off where a part of its delimiter was quoted."""

    name: str
    content: str  # each line with its end
    expand: bool
    chomp: bool  # <<-: leading tabs of each line are to be dropped
    descriptor: int = 0  # the digits before <<


@dataclass(frozen=True, slots=True)
class Command:
    """What RUN, CMD and ENTRYPOINT execute.

    Shell form: one argument, the whole line, for the shell to read. Exec form: the words of JSON.
    """

    args: tuple[str, ...]
    is_shell: bool
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """What every instruction knows of itself."""

    name: str  # "RUN", whatever the case it was written in
    keyword: str  # as written
    span: Span
    original: str  # the logical line as written, continuations joined
    flags: tuple[str, ...] = ()  # as written, with their dashes
    comments: tuple[str, ...] = ()  # the comment lines straight above, without their marks


@dataclass(frozen=True, slots=True, kw_only=True)
class From(Instruction):
    """Opens a stage on an image, an earlier stage or `scratch`: which of them, the caller tells."""

    image: str
    platform: str | None = None
    as_name: str | None = None  # lower case
    as_keyword: str | None = None  # "AS", as written


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg(Instruction):
    """Declares variables of the build; None where one has no default."""

    args: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Env(Instruction):
    """Sets variables of the image, in order; each is expanded with what stood before the line."""

    pairs: tuple[tuple[str, str], ...]
    is_legacy: bool = False  # written as ENV key value


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Instruction):
    """Sets labels of the image."""

    pairs: tuple[tuple[str, str], ...]
    is_legacy: bool = False  # written as LABEL key value


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Instruction):
    """Executes a command; what it changes becomes a layer."""

    command: Command
    mounts: tuple[str, ...] = ()  # raw, one for each --mount
    network: str = "default"  # default, none or host
    security: str = "sandbox"  # sandbox or insecure
    devices: tuple[str, ...] = ()  # raw, one for each --device


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Instruction):
    """Copies from the context, a stage or an image."""

    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...] = ()  # inline sources, named; <<- is applied already
    from_: str | None = None
    chown: str | None = None
    chmod: str | None = None
    link: bool = False
    parents: bool = False
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Instruction):
    """Copies as COPY does, and fetches URLs and unpacks local archives."""

    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...] = ()  # inline sources, named; <<- is applied already
    chown: str | None = None
    chmod: str | None = None
    link: bool = False
    excludes: tuple[str, ...] = ()
    checksum: str | None = None
    keep_git_dir: bool | None = None
    unpack: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmd(Instruction):
    """Sets the image's default command, or the default arguments of its entrypoint."""

    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrypoint(Instruction):
    """Sets what a container executes; it resets CMD where the image's CMD is inherited."""

    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Expose(Instruction):
    """Names ports that a container listens on."""

    ports: tuple[str, ...]  # as written, sorted; `ports.parse_port` reads an expanded one


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Instruction):
    """Names directories that outlive a container."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Instruction):
    """Sets who executes what follows, and the container: a name or number, and perhaps a group."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workdir(Instruction):
    """Sets the directory of what follows; relative to the one before."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell(Instruction):
    """Sets the words that shell forms are handed to."""

    args: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSignal(Instruction):
    """Sets what asks a container to stop."""

    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck(Instruction):
    """`test` as the image config holds it: ("NONE",), ("CMD", word…) or ("CMD-SHELL", line)."""

    test: tuple[str, ...]
    interval: int = 0  # nanoseconds; 0 where not given
    timeout: int = 0  # nanoseconds
    start_period: int = 0  # nanoseconds
    start_interval: int = 0  # nanoseconds
    retries: int = 0

    @property
    def is_none(self) -> bool:
        return self.test == ("NONE",)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBuild(Instruction):
    """`trigger` is what the image config keeps; `instruction` is the same, read.

    As in BuildKit a trigger that cannot be read is no fault here, only where it fires: then
    `instruction` is None, and the Dockerfile holds a warning.
    """

    trigger: str
    instruction: Instruction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintainer(Instruction):
    """Sets the image's author; deprecated."""

    author: str
