"""What a registry refuses, each said by a class of its own beside one of the seven kinds."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.errors import Conflict, Invalid, NotFound, Unsupported
from lamina.oci.digest import Digest


class NoRepository(NotFound):
    """No repository has that name here."""

    def __init__(self, name: str) -> None:
        super().__init__(f'no repository "{name}" here')


class NoManifest(NotFound):
    """The repository has no manifest of that tag or digest."""

    def __init__(self, name: str, reference: str) -> None:
        super().__init__(f'no manifest "{reference}" in "{name}"')


class NoBlob(NotFound):
    """The repository has no such blob, whatever others have."""

    def __init__(self, name: str, digest: str) -> None:
        super().__init__(f'no blob "{digest}" in "{name}"')


class NoUpload(NotFound):
    """No such upload is under way: it never began, has ended, or was too old."""

    def __init__(self, session: str) -> None:
        super().__init__(
            f'no upload "{session}" is under way', hint="begin again with a new upload"
        )


class WrongDigest(Invalid):
    """The bytes are not those that the digest names, or it is no digest that can be used."""


class WrongSize(Invalid):
    """More or fewer bytes came than were announced."""


class BadManifest(Invalid):
    """A manifest is not what its media type requires."""


class MissingContent(Invalid):
    """A manifest refers to what its repository does not have."""

    def __init__(self, missing: Sequence[Digest]) -> None:
        shown = ", ".join(f'"{digest}"' for digest in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        super().__init__(
            f"the manifest refers to what is not in the repository: {shown}{more}",
            hint="push blobs and children before the manifest that refers to them",
        )
        self.missing = tuple(missing)


class TooLarge(Invalid):
    """More bytes than the registry takes."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"{what} is too large: at most {limit} bytes are taken")


class OutOfOrder(Invalid):
    """A chunk does not begin where the upload stands."""

    def __init__(self, session: str, start: int, offset: int) -> None:
        super().__init__(
            f"the chunk begins at byte {start}, where the upload has {offset} bytes",
            hint="ask the upload where it stands, and go on from there",
        )
        self.session = session
        self.offset = offset


class UploadBusy(Conflict):
    """Somebody else is just writing to the upload."""

    def __init__(self, session: str) -> None:
        super().__init__(
            f'another client is writing to the upload "{session}"', hint="wait, and try again"
        )


class Changed(Conflict):
    """A tag does not mean what the client thought when it made its change conditional."""


class ReadOnly(Unsupported):
    """Nothing can be changed here."""
