"""Content on its way between two places: copied, saved, loaded, imported.

A store, an archive, and later a registry answer the same Protocols (`oci.content`), so that each of
these is one walk over a graph of content, children first.
"""
