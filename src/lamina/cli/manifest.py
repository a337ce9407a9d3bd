"""`lamina manifest`: manifests and indexes as they are in registries."""

from __future__ import annotations

import sys

from lamina.cli.command import Args, Command, Flag, Kind
from lamina.cli.images import PLATFORM, each, platform_of
from lamina.errors import Invalid, Unsupported
from lamina.late import json

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine import Engine
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.reference import Reference
    from lamina.remote.repository import Repository

_INSECURE = Flag(
    "insecure", kind=Kind.BOOL, help="As said in registries.conf or daemon.json", hidden=True
)


def _open(args: Args, engine: Engine, text: str) -> tuple[Reference, Repository, Descriptor]:
    """The repository, and what the name means there: for one platform if one is asked for."""
    from lamina.oci import media_type, reference

    _refuse_insecure(args)
    name = reference.parse_pullable(text)
    repository = engine.remotes.repository(name)
    root = repository.resolve(str(name))
    platform = platform_of(args) if args.given("platform") else None
    if platform is not None and root.media_type in media_type.INDEXES:
        from lamina.image import fetch, select
        from lamina.oci.manifest import Index

        index = fetch.manifest(repository, root)
        assert isinstance(index, Index)
        root = select.choose(repository, index, platform)
    return name, repository, root


def _refuse_insecure(args: Args) -> None:
    if args.flag("insecure"):
        raise Unsupported(
            "--insecure is not built", hint='say "insecure = true" in registries.conf'
        )


def _raw(repository: Repository, descriptor: Descriptor) -> bytes:
    with repository.open(descriptor) as stream:
        return stream.read()


def inspect(args: Args, engine: Engine) -> int:
    name, repository, root = _open(args, engine, args.rest[0])
    raw = _raw(repository, root)
    found = json.loads(raw)
    if args.flag("verbose"):
        found = _verbose(name, repository, root, found)
    print(json.dumps(found, indent="\t", ensure_ascii=False))
    return 0


def _verbose(
    name: Reference, repository: Repository, root: Descriptor, found: dict[str, object]
) -> object:
    """What docker says with --verbose: each manifest with its descriptor."""
    from lamina.oci import descriptor as descriptors

    below = found.get("manifests")
    if not isinstance(below, list):
        return _one(name, repository, root)
    return [_one(name, repository, descriptors.parse(one)) for one in below]


def _one(name: Reference, repository: Repository, descriptor: Descriptor) -> dict[str, object]:
    from base64 import b64encode

    from lamina.oci import media_type

    raw = _raw(repository, descriptor)
    is_docker = descriptor.media_type in (media_type.DOCKER_MANIFEST, media_type.DOCKER_LIST)
    return {
        "Ref": f"{name.repository()}@{descriptor.digest}",
        "Descriptor": descriptor.to_json(),
        "Raw": b64encode(raw).decode(),
        "SchemaV2Manifest" if is_docker else "OCIManifest": json.loads(raw),
    }


def verify(args: Args, engine: Engine) -> int:
    from lamina.oci import media_type, schema1

    name, repository, root = _open(args, engine, args.rest[0])
    if root.media_type not in (media_type.SCHEMA1, media_type.SCHEMA1_SIGNED):
        raise Unsupported(
            f'"{name.familiar()}" is of type "{root.media_type}", which carries no signatures',
            hint="only Docker schema 1 does; other signatures are referrers of the manifest",
        )
    for key in schema1.verify(_raw(repository, root)):
        print(f"{key.id}  {key.type}")
    return 0


VERIFY = Command(
    run=verify,
    usage="NAME[:TAG|@DIGEST]",
    flags=(_INSECURE,),
    arguments=(1, 1),
    about="Checks the signatures within a Docker schema 1 manifest, and prints the keys' IDs.",
)


INSPECT = Command(
    run=inspect,
    usage="NAME[:TAG|@DIGEST]",
    flags=(_INSECURE, PLATFORM, Flag("verbose", "v", Kind.BOOL, "Show each with its descriptor")),
    arguments=(1, 1),
)


def get(args: Args, engine: Engine) -> int:
    _, repository, root = _open(args, engine, args.rest[0])
    raw = _raw(repository, root)
    if args.flag("raw"):
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()
    else:
        print(json.dumps(json.loads(raw), indent=2, ensure_ascii=False))
    return 0


GET = Command(
    run=get,
    usage="NAME[:TAG|@DIGEST]",
    flags=(_INSECURE, PLATFORM, Flag("raw", kind=Kind.BOOL, help="To the byte, as it is signed")),
    arguments=(1, 1),
)


def digest(args: Args, engine: Engine) -> int:
    _, _, root = _open(args, engine, args.rest[0])
    print(root.digest)
    return 0


DIGEST = Command(run=digest, usage="NAME[:TAG]", flags=(_INSECURE, PLATFORM), arguments=(1, 1))


def rm(args: Args, engine: Engine) -> int:
    from lamina.oci import reference

    def remove(text: str) -> None:
        name = reference.parse(text)
        if name.is_name_only:
            raise Invalid(f'"{text}" is a whole repository', hint="say a tag or a digest to delete")
        repository = engine.remotes.repository(name, for_push=True)
        wanted = name.digest or name.tag
        if name.digest is None and not args.flag("tag-only"):
            wanted = repository.resolve(str(name)).digest
        repository.delete(str(wanted))
        print(f"Deleted: {name.repository()}{'@' if ':' in str(wanted) else ':'}{wanted}")

    return each(args.rest, remove)


RM = Command(
    run=rm,
    usage="NAME:TAG|NAME@DIGEST...",
    flags=(Flag("tag-only", kind=Kind.BOOL, help="Delete the tag, and leave the manifest it has"),),
    arguments=(1, None),
    about="A tag stands for the manifest that it has: all its tags go with that.",
)


def create(args: Args, engine: Engine) -> int:
    from lamina.engine import indexing

    sent = indexing.create(engine, args.rest[0], args.rest[1:], amend=args.flag("amend"))
    print(f"{args.rest[0]}: digest: {sent.digest} size: {sent.size}")
    return 0


CREATE = Command(
    run=create,
    usage="TARGET[:TAG] IMAGE [IMAGE...]",
    flags=(Flag("amend", "a", Kind.BOOL, "Add to the index that the target is, or replace in it"),),
    arguments=(2, None),
    about="The images are in registries. The index is made in the registry of TARGET at once, and\n"
    "what it lacks of them is copied there; `manifest push` has nothing left to send.",
)


def annotate(args: Args, engine: Engine) -> int:
    from lamina.engine import indexing

    said: dict[str, object] = {
        field: args.text(flag) for flag, field in _FIELDS.items() if args.given(flag)
    }
    if args.given("os-features"):
        parts = (part for text in args.texts("os-features") for part in text.split(","))
        said["os_features"] = tuple(filter(None, parts))
    if not said:
        raise Invalid("nothing is said of the image", hint="as in --arch arm64 --variant v8")
    target, image = args.rest
    sent = indexing.annotate(engine, target, image, **said)
    print(f"{target}: digest: {sent.digest} size: {sent.size}")
    return 0


_FIELDS = {"arch": "architecture", "os": "os", "os-version": "os_version", "variant": "variant"}
ANNOTATE = Command(
    run=annotate,
    usage="TARGET[:TAG] IMAGE",
    flags=(
        Flag("arch", help="Its architecture, as Go calls it"),
        Flag("os", help="Its operating system, as Go calls it"),
        Flag("os-features", kind=Kind.LIST, help="What it needs of that, separated by commas"),
        Flag("os-version", help="Which version of that"),
        Flag("variant", help="Which variant of the architecture"),
    ),
    arguments=(2, 2),
    about="Says what an image of an index runs on. IMAGE is its name in a registry or its digest.\n"
    "The index is changed in its registry at once.",
)


def push(args: Args, engine: Engine) -> int:
    from lamina.engine import indexing

    _refuse_insecure(args)
    print(indexing.pushed(engine, args.rest[0]).digest)
    return 0


PUSH = Command(
    run=push,
    usage="TARGET[:TAG]",
    flags=(
        _INSECURE,
        Flag("purge", "p", Kind.BOOL, "Keep no list here afterwards, as it never is"),
    ),
    arguments=(1, 1),
    about="`manifest create` has made the index in its registry already: this checks that it is\n"
    "there, and prints its digest.",
)
