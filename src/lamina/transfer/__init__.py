"""Content on its way between two places: copied, saved, loaded, imported.

A store, an archive, and later a registry answer the same Protocols (`oci.content`), so that each of
these is one walk over a graph of content, children first.
"""

from lamina.transfer.archive import Format, load, save
from lamina.transfer.copy import Copied, Event, Outcome, copy
from lamina.transfer.tarball import Imported, import_tar

__all__ = [
    "Copied",
    "Event",
    "Format",
    "Imported",
    "Outcome",
    "copy",
    "import_tar",
    "load",
    "save",
]
