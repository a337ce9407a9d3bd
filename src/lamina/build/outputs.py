"""Where a build goes beside the store: a directory, a tar, an archive (`--output`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lamina.errors import Invalid
from lamina.fs import atomic
from lamina.oci import media_type
from lamina.oci.descriptor import Descriptor
from lamina.oci.manifest import Manifest
from lamina.values import dataclass, field, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, BinaryIO

    from lamina.build.assemble import Built
    from lamina.build.workshop import Workshop
    from lamina.layer.compress import Kind

_KINDS = ("local", "tar", "oci", "docker", "image", "cacheonly")
_COMPRESSIONS: dict[str, tuple[Kind, str]] = {
    "uncompressed": ("none", media_type.OCI_LAYER),
    "gzip": ("gzip", media_type.OCI_LAYER_GZIP),
    "zstd": ("zstd", media_type.OCI_LAYER_ZSTD),
}
_ATTRIBUTES = {
    "local": {"dest"},
    "tar": {"dest"},
    "oci": {"dest", "tar", "name", "compression", "compression-level", "force-compression"},
    "docker": {"dest", "name"},
    "image": {"name"},
    "cacheonly": set(),
}


@dataclass(frozen=True, slots=True)
class Output:
    """One `--output`, read: what kind, where to, and its other attributes."""

    kind: str
    destination: str | None = None  # "-" is standard output
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def keeps_image(self) -> bool:
        """Whether the image is to be in the store, under its names."""
        return self.kind == "image" or (self.kind == "docker" and self.destination is None)


def parse(text: str) -> Output:
    """`type=oci,dest=FILE`, or a directory alone, or "-" for a tar on standard output."""
    if text == "-":
        return Output("tar", "-")
    if "=" not in text:
        return Output("local", text)
    fields: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals:
            raise Invalid(f'invalid output "{text}": "{part}" is not name=value')
        fields[name.strip().lower()] = value
    kind = fields.pop("type", "")
    if kind not in _KINDS:
        raise Invalid(f'output type "{kind}" is not known', hint=f"use {', '.join(_KINDS)}")
    unknown = sorted(fields.keys() - _ATTRIBUTES[kind])
    if unknown:
        raise Invalid(f'output type "{kind}" does not take "{unknown[0]}"')
    destination = fields.pop("dest", None)
    if kind in ("local", "tar", "oci") and destination is None:
        if kind == "local":
            raise Invalid('output type "local" needs dest=DIRECTORY')
        destination = "-"
    return Output(kind, destination, fields)


def write(
    output: Output,
    built: Built,
    workshop: Workshop,
    names: Sequence[str],
    stdout: Callable[[], BinaryIO],
) -> None:
    """Write the image as `output` says; a file appears whole or not at all.

    `stdout` gives standard output, or refuses where that is a terminal.
    """
    match output.kind:
        case "local":
            _write_local(built, workshop, Path(output.destination or "."))
        case "tar":
            with _sink(output, stdout) as out:
                _write_tar(built, workshop, out)
        case "oci":
            _write_oci(output, built, workshop, _names(output, names), stdout)
        case "docker" if output.destination is not None:
            from lamina.image.archive import write_docker_archive

            images = [(built.descriptor, _names(output, names))]
            with _sink(output, stdout) as out:
                write_docker_archive(workshop.store.blobs, images, out)
        case _:
            pass  # the store's own: the caller names it


def _names(output: Output, names: Sequence[str]) -> list[str]:
    from lamina.oci import reference

    given = [name for name in output.attributes.get("name", "").split("+") if name]
    return [*names, *(str(reference.parse(name).with_default_tag()) for name in given)]


@contextmanager
def _sink(output: Output, stdout: Callable[[], BinaryIO]) -> Iterator[IO[bytes]]:
    """Standard output, or a file written aside and renamed."""
    if output.destination in (None, "-"):
        out = stdout()
        yield out
        out.flush()
        return
    with atomic.result(output.destination or "") as file:
        yield file


@contextmanager
def _tree(built: Built, workshop: Workshop) -> Iterator[int]:
    from lamina.fs.mounts import opened

    chain = workshop.unpack([(layer.descriptor, layer.diff_id) for layer in built.layers])
    with opened(workshop.snapshotter.view(chain)) as root:
        yield root


def _write_local(built: Built, workshop: Workshop, destination: Path) -> None:
    """The files alone, owned by whoever builds, as docker's exporter leaves them."""
    from lamina.build.context import TreeContext
    from lamina.build.copying import CopySpec, copy, select

    destination.mkdir(parents=True, exist_ok=True)
    owner = f"{os.getuid()}:{os.getgid()}"
    spec = CopySpec(sources=("/",), destination="/", chown=owner)
    context = TreeContext(lambda: _tree(built, workshop), "the image")
    fd = os.open(destination, os.O_RDONLY | os.O_DIRECTORY)
    try:
        copy(select(context, spec), fd)
    finally:
        os.close(fd)


def _write_tar(built: Built, workshop: Workshop, out: IO[bytes]) -> None:
    from lamina.layer.changes import tree_changes
    from lamina.layer.diff import pack

    with _tree(built, workshop) as root:
        pack(tree_changes(None, root), out)


def _write_oci(
    output: Output,
    built: Built,
    workshop: Workshop,
    names: list[str],
    stdout: Callable[[], BinaryIO],
) -> None:
    from lamina.image.archive import write_oci_archive, write_oci_dir

    descriptor = compressed(built, workshop, output.attributes)
    images = [(descriptor, names)]
    if output.attributes.get("tar", "true") == "false":
        if output.destination in (None, "-"):
            raise Invalid("output type=oci,tar=false needs dest=DIRECTORY")
        write_oci_dir(workshop.store.blobs, images, Path(output.destination or ""))
        return
    with _sink(output, stdout) as out:
        write_oci_archive(workshop.store.blobs, images, out)


def compressed(built: Built, workshop: Workshop, attributes: Mapping[str, str]) -> Descriptor:
    """The image with its plain layers compressed (gzip unless said otherwise), in the store.

    Layers that are compressed already keep their bytes, and so their digest, unless
    `force-compression` is true.
    """
    kind = attributes.get("compression", "gzip")
    if kind not in _COMPRESSIONS:
        raise Invalid(
            f'compression "{kind}" is not built yet', hint=f"use {', '.join(_COMPRESSIONS)}"
        )
    level = _level(attributes.get("compression-level"))
    force = attributes.get("force-compression", "false") == "true"
    layers = tuple(
        _recompressed(layer, built.layers[index].diff_id, kind, level, workshop)
        if force or layer.media_type == media_type.OCI_LAYER
        else layer
        for index, layer in enumerate(built.manifest.layers)
    )
    if layers == built.manifest.layers:
        return built.descriptor
    manifest = Manifest.make(built.manifest.config, layers)
    workshop.store.blobs.put(manifest.raw)
    return replace(manifest.descriptor(), platform=built.descriptor.platform)


def _level(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit():
        raise Invalid(f'compression level "{text}" is not a number')
    return int(text)


def _recompressed(
    layer: Descriptor, diff_id: str, kind: str, level: int | None, workshop: Workshop
) -> Descriptor:
    from lamina.layer.compress import Compressor, decompressed, processors

    coding, wanted = _COMPRESSIONS[kind]
    if layer.media_type == wanted and level is None:
        return layer
    store = workshop.store
    with store.blobs.open(layer) as stored, store.ingest() as ingest:
        plain = decompressed(stored)
        check = store.crcs.check(layer.digest) if layer.media_type in media_type.PLAIN else None
        with Compressor(ingest, coding, level=level, threads=processors()) as out:
            while data := plain.read(1 << 20):
                out.write(data)
                if check is not None:
                    check.update(data)
        if check is not None:
            check.end()
        digest, size = ingest.commit()
    store.diff_ids.put(digest, diff_id)  # type: ignore[arg-type]  # a DiffID is a str at run time
    return Descriptor(wanted, digest, size)
