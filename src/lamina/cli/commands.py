"""The table of commands: names, groups, summaries, and where each is found.

Adding a command is one row here and one `Command` value (see `cli.command`).
Nothing is imported before its row is chosen.
"""

from __future__ import annotations

from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.cli.command import Command


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: `also` are its other spellings, in groups or not."""

    name: str
    summary: str
    target: str  # "module:NAME" of its Command
    also: tuple[str, ...] = ()
    common: bool = False  # shown first in the help
    again: bool = False  # what it answered may be its answer again, see `cli.again`


GROUPS = {
    "builder": "Manage the build cache",
    "container": "Manage containers",
    "ignore": "Understand ignore files",
    "image": "Manage images",
    "registry": "Look after a registry",
    "manifest": "Manage manifests in registries",
    "system": "Manage the store as a whole",
}

_C = "lamina.cli.containers:"
_E = "lamina.cli.container_life:"
_F = "lamina.cli.container_files:"
_O = "lamina.cli.container_output:"
_I = "lamina.cli.images:"
_L = "lamina.cli.looking:"
_W = "lamina.cli.why:"
_M = "lamina.cli.manifest:"
_R = "lamina.cli.remote:"
_S = "lamina.cli.shipping:"

ENTRIES = (
    Entry("run", "Make a container from an image and run it", _C + "RUN", ("container run",), True),
    Entry("exec", "Run a command in a running container", _C + "EXEC", ("container exec",), True),
    Entry(
        "ps",
        "List containers",
        "lamina.cli.container_list:PS",
        ("container ls", "container list", "container ps"),
        True,
    ),
    Entry(
        "build",
        "Build an image from a Dockerfile",
        "lamina.cli.build:BUILD",
        ("image build", "builder build", "buildx build"),
        True,
        again=True,
    ),
    Entry("check", "Give advice on Dockerfiles", "lamina.cli.check:CHECK", (), True),
    Entry("images", "List images", _I + "IMAGES", ("image ls", "image list"), True),
    Entry(
        "layers",
        "Show what each layer of an image holds",
        "lamina.cli.layers:LAYERS",
        ("image layers",),
        True,
    ),
    Entry("history", "Show how an image was made", _I + "HISTORY", ("image history",), True),
    Entry("ls", "List files of an image", _L + "LS", ("image files",)),
    Entry("cat", "Write a file of an image", _L + "CAT", ("image cat",)),
    Entry("blame", "Show which layers made a file what it is", _L + "BLAME", ("image blame",)),
    Entry("waste", "Show what an image's layers bring in vain", _L + "WASTE", ("image waste",)),
    Entry("why", "Explain the last build, or what the next would do", _W + "WHY", ("builder why",)),
    Entry("context", "Report what a build context is made of", _W + "CONTEXT"),
    Entry("attach", "Look on while a container runs", _C + "ATTACH", ("container attach",)),
    Entry("commit", "Make an image of a container", _F + "COMMIT", ("container commit",)),
    Entry("cp", "Copy files in and out of a container", _F + "CP", ("container cp",)),
    Entry("create", "Make a container without starting it", _C + "CREATE", ("container create",)),
    Entry(
        "diff",
        "Show what a container changed, or how two images differ",
        _L + "DIFF",
        ("container diff", "image diff"),
    ),
    Entry("export", "Write a container's files as a tar", _F + "EXPORT", ("container export",)),
    Entry("kill", "Send a signal to running containers", _E + "KILL", ("container kill",)),
    Entry("logs", "Show what a container printed", _O + "LOGS", ("container logs",)),
    Entry("pause", "Freeze running containers", _E + "PAUSE", ("container pause",)),
    Entry("port", "List the published ports of a container", _O + "PORT", ("container port",)),
    Entry("rename", "Give a container another name", _E + "RENAME", ("container rename",)),
    Entry("restart", "Stop and start containers", _E + "RESTART", ("container restart",)),
    Entry("rm", "Remove containers", _E + "RM", ("container rm", "container remove")),
    Entry("start", "Start stopped containers", _C + "START", ("container start",)),
    Entry("stop", "Stop running containers", _E + "STOP", ("container stop",)),
    Entry("top", "List the processes of a container", _O + "TOP", ("container top",)),
    Entry("unpause", "Let paused containers go on", _E + "UNPAUSE", ("container unpause",)),
    Entry(
        "wait",
        "Wait until containers end, and print their statuses",
        _E + "WAIT",
        ("container wait",),
    ),
    Entry(
        "inspect",
        "Show all that is known of images and containers as JSON",
        "lamina.cli.inspection:INSPECT",
    ),
    Entry("pull", "Get an image from a registry", _S + "PULL", ("image pull",), True),
    Entry("push", "Send an image to a registry", _S + "PUSH", ("image push",), True),
    Entry("copy", "Copy an image between places", _R + "COPY", ("image copy",)),
    Entry("tags", "List the tags of a repository", _R + "TAGS", ("image tags",)),
    Entry("catalog", "List the repositories of a registry", _R + "CATALOG"),
    Entry("tag", "Give an image one more name", _I + "TAG", ("image tag",)),
    Entry(
        "rmi",
        "Remove names, and images that have none left",
        _I + "RMI",
        ("image rm", "image remove"),
    ),
    Entry("save", "Write images into an archive", "lamina.cli.archives:SAVE", ("image save",)),
    Entry("load", "Read images from an archive", "lamina.cli.archives:LOAD", ("image load",)),
    Entry(
        "import",
        "Make an image of a root file system in a tar",
        "lamina.cli.archives:IMPORT",
        ("image import",),
    ),
    Entry("login", "Log in to a registry", "lamina.cli.login:LOGIN"),
    Entry("logout", "Log out from a registry", "lamina.cli.login:LOGOUT"),
    Entry("serve", "Serve a registry", "lamina.cli.registry:SERVE"),
    Entry("ui", "Look at images in a browser", "lamina.cli.ui:UI"),
    Entry("df", "Show what takes space in the store", "lamina.cli.system:DF", ("system df",)),
    Entry("prune", "Remove what nothing uses", "lamina.cli.system:PRUNE", ("system prune",)),
    Entry(
        "info",
        "Show the store and what this machine can do",
        "lamina.cli.system:INFO",
        ("system info",),
    ),
    Entry("version", "Show the versions of Lamina and Python", "lamina.cli.system:VERSION"),
    Entry(
        "completion",
        "Print a completion script for bash, zsh or fish",
        "lamina.cli.completion:COMPLETION",
    ),
    # Commands that live in a group only; their names are group and word.
    Entry(
        "image inspect",
        "Show all that is known of images as JSON",
        "lamina.cli.inspection:IMAGE_INSPECT",
    ),
    Entry("ignore explain", "Say which line of an ignore file decides", _W + "IGNORE_EXPLAIN"),
    Entry("manifest inspect", "Show a manifest in a registry", _M + "INSPECT"),
    Entry("manifest get", "Print a manifest as it is, to the byte", _M + "GET"),
    Entry("manifest digest", "Print which digest a tag has", _M + "DIGEST"),
    Entry("manifest verify", "Check the signatures of a schema 1 manifest", _M + "VERIFY"),
    Entry("manifest rm", "Delete manifests or tags from a registry", _M + "RM"),
    Entry("manifest create", "Make an index of images in registries", _M + "CREATE"),
    Entry("manifest annotate", "Say what an image of an index runs on", _M + "ANNOTATE"),
    Entry("manifest push", "Check that an index is in its registry", _M + "PUSH"),
    Entry("image prune", "Remove images that nothing uses", "lamina.cli.system:IMAGE_PRUNE"),
    Entry(
        "builder prune", "Remove build cache", "lamina.cli.system:BUILDER_PRUNE", ("buildx prune",)
    ),
    Entry(
        "container inspect",
        "Show all that is known of containers as JSON",
        "lamina.cli.inspection:CONTAINER_INSPECT",
    ),
    Entry("container prune", "Remove stopped containers", "lamina.cli.system:CONTAINER_PRUNE"),
    Entry("registry gc", "Remove what nothing refers to", "lamina.cli.registry:GC"),
    Entry(
        "registry why-kept",
        "Show what keeps a manifest or a blob",
        "lamina.cli.registry:WHY_KEPT",
    ),
)


def find(words: str) -> Entry | None:
    """The command that `words` ("images", "image ls") spell."""
    for entry in ENTRIES:
        if entry.name == words or words in entry.also:
            return entry
    return None


def members(group: str) -> list[tuple[str, Entry]]:
    """The words under a group, each with its command, sorted."""
    prefix = group + " "
    found = []
    for entry in ENTRIES:
        spellings = [w for w in (entry.name, *entry.also) if w.startswith(prefix)]
        if spellings:
            found.append((spellings[0][len(prefix) :], entry))
    return sorted(found)


def is_group(word: str) -> bool:
    """Whether `word` is followed by another word; "buildx" is understood but not shown."""
    return word in GROUPS or word == "buildx"


def load(entry: Entry) -> Command:
    """The command itself; imports its module."""
    module, _, name = entry.target.partition(":")
    # `importlib` would bring `warnings` along; with a name to import, this is the module itself.
    command: Command = getattr(__import__(module, fromlist=(name,)), name)
    return command
