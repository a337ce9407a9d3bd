"""What made a layer, in the words of a Dockerfile."""

from __future__ import annotations


def instruction(text: str) -> str:
    """What made a layer, without the shell's part of it (Docker's and BuildKit's habits)."""
    text = text.removesuffix("# buildkit").rstrip()
    for prefix in ("/bin/sh -c #(nop) ", "/bin/sh -c "):
        if text.startswith(prefix):
            rest = text[len(prefix) :].strip()
            return rest if prefix.endswith("(nop) ") else f"RUN {rest}"
    return text.replace("RUN /bin/sh -c ", "RUN ", 1)
