"""Images with a history, made of values, put into a store or a registry; to be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lamina.image.edit import Assembly
from lamina.oci import media_type as types
from lamina.oci import platform as platforms
from lamina.oci.config import History, RunConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store import Store
from lamina.testing.images import Content, Made, layer
from lamina.testing.registry import TestRegistry

Step = tuple[str, Mapping[str, Content] | None]
"""An instruction, and what its layer holds; None if it makes none."""

_TIME = "2026-11-20T10:{:02}:00Z"


def picture(
    steps: Sequence[Step], *, config: RunConfig | None = None, platform: str = "linux/amd64"
) -> Made:
    """An image of these instructions."""
    made = Assembly(
        platform=platforms.parse(platform), config=config or RunConfig(), created=_TIME.format(59)
    )
    content: dict[Digest, bytes] = {}
    for number, (text, files) in enumerate(steps):
        history = History(created=_TIME.format(number), created_by=text, empty_layer=files is None)
        if files is None:
            made = made.record(history)
            continue
        blob, diff_id = layer(files)
        digest = Digest.of(blob)
        content[digest] = blob
        made = made.append(Descriptor(types.OCI_LAYER_GZIP, digest, len(blob)), diff_id, history)
    manifest, document = made.make()
    content[document.digest] = document.raw
    content[manifest.digest] = manifest.raw
    return Made(manifest.descriptor(), content, {manifest.digest: manifest.media_type})


def keep(store: Store, made: Made, *names: str) -> None:
    """Put an image into a store."""
    for data in made.content.values():
        store.blobs.put(data)
    for name in names:
        store.names.tag(f"docker.io/library/{name}", made.root)
    if not names:
        store.names.keep(made.root)


def shop(version: str = "1") -> Made:
    """An image with everything that a page tells apart."""
    cache = {f"/var/cache/apt/archives/lib{n}.deb": "x" * (9000 * (n + 1)) for n in range(9)}
    gone: dict[str, Content] = dict.fromkeys(cache)
    return picture(
        [
            (
                "/bin/sh -c #(nop) ADD file:1f2e in / ",
                {
                    "/etc/os-release": 'NAME="Tiny"\n',
                    "/etc/motd": "welcome\n" * 400,
                    "/bin/busybox": b"\x7fELF\0\1\2" + bytes(range(256)) * 40,
                    "/usr/share/doc/a/readme": "a\n" * 3000,
                    "/usr/share/doc/b/readme": "b\n" * 2000,
                    "/var/lib/dpkg/status": f"Package: libshop\nVersion: {version}\n"
                    "Status: install ok installed\n",
                },
            ),
            ("/bin/sh -c #(nop)  ENV PATH=/usr/bin:/bin", None),
            (
                "RUN /bin/sh -c apt-get update && apt-get install -y libshop # buildkit",
                {**cache, "/usr/lib/libshop.so": "so" * 70000, "/etc/motd": "changed\n" * 300},
            ),
            (
                "RUN /bin/sh -c rm -rf /var/cache/apt /usr/share/doc # buildkit",
                {**gone, "/usr/share/doc": None, "/etc/motd": None},
            ),
            (
                "COPY app /app # buildkit",
                {"/app/serve": f"#!/bin/sh\necho {version}\n", "/app/data.json": '{"a": 1}\n'},
            ),
            ('CMD ["/app/serve"]', None),
        ],
        config=RunConfig(cmd=("/app/serve",), env=(f"VERSION={version}",)),
    )


def push(registry: TestRegistry, made: Made, name: str) -> str:
    """Put an image into a registry; its reference there."""
    registry.push(made, name)
    return name
