"""`inspect`: all that is known of images and containers, as Docker's JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from lamina.cli.command import Args, Command, Flag, Kind
from lamina.cli.images import PLATFORM, familiar, platform_of
from lamina.cli.template.values import Map, Value, to_json
from lamina.errors import Error, NotFound
from lamina.late import json

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine import Engine
    from lamina.image.view import Image
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.platform import Platform

_FORMAT = Flag("format", "f", help="How to show each: 'json' or a Go template")
_SIZE = Flag("size", "s", Kind.BOOL, "Show how large the files of containers are")
_REMOTE = Flag("remote", kind=Kind.BOOL, help="Look at images in their registries, not here")
_TYPE = Flag("type", help="What the names are of: 'image' or 'container'")
_MAPS = frozenset({"Labels", "Annotations", "ExposedPorts", "Volumes"})

Look = Callable[[str], dict[str, Value]]


def inspect(args: Args, engine: Engine) -> int:
    kind = args.text("type")
    if kind not in (None, "", "image", "container"):
        raise args.refuse("type", 'expected "image" or "container"')
    platform = platform_of(args)
    if args.flag("remote"):
        if kind == "container":
            raise args.misused("--remote is about images, and not about containers")
        return _show(args, [lambda text: remote_document(engine, text, platform)], "image")
    looks: list[Look] = []
    if kind != "image":
        looks.append(lambda text: engine.inspect_container(text, with_size=args.flag("size")))
    if kind != "container":
        looks.append(lambda text: image_document(engine, text, platform))
    return _show(args, looks, kind or "object")


def inspect_images(args: Args, engine: Engine) -> int:
    platform = platform_of(args)
    if args.flag("remote"):
        return _show(args, [lambda text: remote_document(engine, text, platform)], "image")
    return _show(args, [lambda text: image_document(engine, text, platform)], "image")


def inspect_containers(args: Args, engine: Engine) -> int:
    with_size = args.flag("size")
    look: Look = lambda text: engine.inspect_container(text, with_size=with_size)  # noqa: E731
    return _show(args, [look], "container")


INSPECT = Command(
    run=inspect,
    usage="NAME|ID [NAME|ID...]",
    flags=(_FORMAT, _SIZE, _TYPE, PLATFORM, _REMOTE),
    arguments=(1, None),
)
IMAGE_INSPECT = Command(
    run=inspect_images,
    usage="IMAGE [IMAGE...]",
    flags=(_FORMAT, PLATFORM, _REMOTE),
    arguments=(1, None),
)
CONTAINER_INSPECT = Command(
    run=inspect_containers,
    usage="CONTAINER [CONTAINER...]",
    flags=(_FORMAT, _SIZE),
    arguments=(1, None),
)


def _show(args: Args, looks: Sequence[Look], kind: str) -> int:
    """Print every document that is found, then say what was not; 1 if something was not."""
    form = args.text("format")
    found: list[dict[str, Value]] = []
    failures: list[Error] = []
    for text in args.rest:
        try:
            found.append(_first(looks, text, kind))
        except Error as error:
            failures.append(error)
    if form and form != "json":
        from lamina.cli.template.evaluate import execute
        from lamina.cli.template.syntax import parse

        template = parse(form)
        for document in found:
            print(execute(template, _lenient(document)))
    elif form == "json":
        print(to_json(found))
    else:
        print(_pretty(found))
    sys.stdout.flush()
    if not failures:
        return 0
    from lamina.cli.failures import report

    for failure in failures:
        print(report(failure, failure=1)[0], file=sys.stderr)
    return 1


def _pretty(documents: list[dict[str, Value]]) -> str:
    text = json.dumps(documents, indent=4, ensure_ascii=False)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _first(looks: Sequence[Look], text: str, kind: str) -> dict[str, Value]:
    if len(looks) == 1:
        return looks[0](text)
    for look in looks:
        try:
            return look(text)
        except NotFound:
            continue
    raise NotFound(f'no such {kind} "{text}"', hint='"lamina images" and "lamina ps -a" list them')


def _lenient(value: Value, name: str = "") -> Value:
    """The document for templates: maps that a user fills answer "" for what they do not have."""
    if isinstance(value, Mapping):
        inside = {key: _lenient(item, key) for key, item in value.items()}
        return Map(inside) if name in _MAPS else inside
    if value is None and name in _MAPS:
        return Map()
    if isinstance(value, list):
        return [_lenient(item) for item in value]
    return value


def remote_document(engine: Engine, text: str, platform: Platform | None) -> dict[str, Value]:
    """What `docker image inspect` would say of an image in its registry; no layer is fetched.

    The size is that of the layers as they would be fetched.
    """
    from lamina.engine import shipping

    name, descriptor, image = shipping.look(engine, text, platform)
    return _document(
        image, descriptor, [str(name)] if name.tag is not None else [], image.size, tagged=0
    ) | {"RepoDigests": [f"{name.familiar_name}@{descriptor.digest}"]}


def image_document(engine: Engine, text: str, platform: Platform | None) -> dict[str, Value]:
    """What `docker image inspect` says of one image."""
    from lamina.engine import local

    descriptor, image = engine.image(text, platform)
    store = engine.store
    names = store.names.names_of(descriptor.digest)
    tagged = [
        named.created_ns
        for named in store.names.list()
        if named.descriptor.digest == descriptor.digest and named.name is not None
    ]
    size = local.content_size(store, image.layers)
    return _document(image, descriptor, names, size, tagged=max(tagged, default=0))


def _document(
    image: Image, descriptor: Descriptor, names: Sequence[str], size: int, *, tagged: int
) -> dict[str, Value]:
    config = image.config
    history = config.history[-1] if config.history else None
    document: dict[str, Value] = {
        "Id": str(image.id),
        "RepoTags": [familiar(name) for name in names],
        "RepoDigests": _digests(names, descriptor),
        "Parent": "",
        "Comment": history.comment if history is not None else "",
        "Created": config.created or "0001-01-01T00:00:00Z",
        "Author": config.author or "",
        "Config": _run_config(image),
        "Architecture": image.platform.architecture,
        "Variant": image.platform.variant,
        "Os": image.platform.os,
        "OsVersion": image.platform.os_version,
        "Size": size,
        "RootFS": {"Type": "layers", "Layers": [str(one) for one in config.diff_ids]},
        "Metadata": {"LastTagTime": _time(tagged)},
        "Descriptor": {
            "mediaType": descriptor.media_type,
            "digest": str(descriptor.digest),
            "size": descriptor.size,
        },
    }
    for optional in ("Variant", "OsVersion"):
        if not document[optional]:
            del document[optional]
    return document


def _digests(names: Sequence[str], descriptor: Descriptor) -> list[Value]:
    repositories = {familiar(name).rpartition(":")[0] for name in names}
    return [f"{repository}@{descriptor.digest}" for repository in sorted(repositories)]


def _run_config(image: Image) -> dict[str, Value]:
    """The config as its document has it, and what Docker always shows."""
    always: dict[str, Value] = {
        "User": "",
        "Env": None,
        "Cmd": None,
        "Volumes": None,
        "WorkingDir": "",
        "Entrypoint": None,
        "OnBuild": None,
        "Labels": None,
    }
    said = json.loads(image.config.raw).get("config") or {}
    return {**always, **said}


def _time(nanoseconds: int) -> str:
    if not nanoseconds:
        return "0001-01-01T00:00:00Z"
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
