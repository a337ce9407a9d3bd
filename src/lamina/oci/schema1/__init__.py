"""Docker schema 1 manifests: read, verified, made into images, and made of images.

A schema 1 manifest (manifest-v2-1.md) names no config: the newest layer's JSON is the config, as
text within JSON. The signed ones carry JSON signatures of libtrust within themselves, and their
digest is not that of their bytes: see `signature`.
"""

from lamina.oci.schema1.convert import to_image
from lamina.oci.schema1.make import GZIPPED_EMPTY_LAYER, make
from lamina.oci.schema1.read import Schema1, V1Image, read
from lamina.oci.schema1.signature import BadSignature, Key, Signer, digest, payload, sign, verify

__all__ = [
    "GZIPPED_EMPTY_LAYER",
    "BadSignature",
    "Key",
    "Schema1",
    "Signer",
    "V1Image",
    "digest",
    "make",
    "payload",
    "read",
    "sign",
    "to_image",
    "verify",
]
