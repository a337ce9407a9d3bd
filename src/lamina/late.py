"""Modules of the standard library at the price of what is used of them.

A command lives for some tens of milliseconds. `re` takes 1.5 of them to import, and `json` as much
again, for it compiles six expressions that its parts in C do without. Here `re` is imported at its
first use; `json` reads and writes by those parts, and is imported for everything else, as to say
what is wrong with a document. Type checkers see the modules themselves.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers read it as True, and `typing` need not be imported

if TYPE_CHECKING:
    import json as json
    import re as re

else:
    try:
        import _json
    except ImportError:
        _json = None

    _SPACE = " \t\n\r"
    _CONSTANTS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}

    class _Late:
        def __init__(self, name):
            self._name = name

        def __getattr__(self, attribute):
            value = getattr(__import__(self._name), attribute)
            setattr(self, attribute, value)
            return value

    class _How:
        """What the scanner in C asks."""

        strict = True
        object_hook = None
        parse_float = float
        parse_int = int

        def __init__(self, pairs, constant):
            self.object_pairs_hook = pairs
            self.parse_constant = constant or _CONSTANTS.__getitem__

    class _Json(_Late):
        def loads(self, data, *, object_pairs_hook=None, parse_constant=None):
            """As `json.loads`; of bytes only UTF-8."""
            text = data if isinstance(data, str) else data.decode("utf-8", "surrogatepass")
            end = -1
            if _json is not None:
                scan = _json.make_scanner(_How(object_pairs_hook, parse_constant))
                try:
                    found, end = scan(text, len(text) - len(text.lstrip(_SPACE)))
                except StopIteration:
                    pass  # `json` says what is wrong
            if end < 0 or text[end:].strip(_SPACE):
                import json

                hooks = {"object_pairs_hook": object_pairs_hook, "parse_constant": parse_constant}
                return json.loads(text, **hooks)
            return found

        def dumps(self, value, *, ensure_ascii=True, separators=None, **more):
            """As `json.dumps`."""
            if more or _json is None:
                import json

                return json.dumps(value, ensure_ascii=ensure_ascii, separators=separators, **more)
            between, after_key = separators or (", ", ": ")
            encode = _json.encode_basestring_ascii if ensure_ascii else _json.encode_basestring
            write = _json.make_encoder(
                {}, _refuse, encode, None, after_key, between, False, False, True
            )
            return "".join(write(value, 0))

    def _refuse(value):
        kind = type(value).__name__
        raise TypeError(f"Object of type {kind} is not JSON serializable")

    re = _Late("re")
    json = _Json("json")
