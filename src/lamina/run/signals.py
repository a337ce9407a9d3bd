"""Signals by name, as `--stop-signal` and `kill -s` write them."""

from __future__ import annotations

import signal

from lamina.errors import Invalid


def parse_signal(text: str) -> int:
    """The number of "TERM", "SIGTERM", "15" or "RTMIN+3"; Invalid for anything else."""
    if text.isdigit():
        number = int(text)
        if 1 <= number <= signal.SIGRTMAX:
            return number
        raise _unknown(text)
    name = text.upper().removeprefix("SIG")
    base, sign, offset = name, "", ""
    for mark in "+-":
        if mark in name:
            base, sign, offset = name.partition(mark)
    if base in ("RTMIN", "RTMAX") and (not sign or offset.isdigit()):
        number = int(getattr(signal, f"SIG{base}")) + int(f"{sign}{offset}" or 0)
        if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
            return number
        raise _unknown(text)
    found = getattr(signal, f"SIG{name}", None) if name.isalnum() else None
    if not isinstance(found, signal.Signals):
        raise _unknown(text)
    return int(found)


def _unknown(text: str) -> Invalid:
    return Invalid(f'"{text}" is not a signal', hint='use a name such as "SIGTERM", or a number')
