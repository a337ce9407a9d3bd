"""The values of --chmod: octal, or symbolic as chmod(1) reads them."""

from __future__ import annotations

from lamina.errors import Invalid
from lamina.late import re
from lamina.values import dataclass

_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o0007, "a": 0o6777}
_ALL = 0o6777  # what "=" without a class clears; the sticky bit only where "t" is named
_UMASK = 0o022  # chmod(1) spares these bits where no class is named
_CLAUSE = r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)"
_ACTION = r"([-+=])([rwxXstugo]*)"


@dataclass(frozen=True, slots=True)
class _Action:
    who: int  # bits of the named classes; 0 where none is named
    operator: str  # "+", "-" or "="
    permissions: str


@dataclass(frozen=True, slots=True)
class Mode:
    """A change of permission bits."""

    absolute: int | None
    actions: tuple[_Action, ...] = ()

    def apply(self, mode: int, *, is_directory: bool) -> int:
        """The new 0o7777 bits of a file that has `mode`."""
        if self.absolute is not None:
            return self.absolute
        original = mode = mode & 0o7777
        for action in self.actions:
            executable = is_directory or bool(original & 0o111)
            mode = _applied(action, mode, executable=executable)
        return mode


def parse(text: str) -> Mode:
    """Read `text`; Invalid if it is neither octal up to 07777 nor symbolic."""
    if text[:1].isdigit():
        if re.fullmatch(r"[0-7]+", text) and int(text, 8) <= 0o7777:
            return Mode(int(text, 8))
        raise _refusal(text)
    actions: list[_Action] = []
    for clause in text.split(","):
        match = re.fullmatch(_CLAUSE, clause)
        if match is None:
            raise _refusal(text)
        who = 0
        for letter in match[1]:
            who |= _WHO[letter]
        actions += [_Action(who, found[1], found[2]) for found in re.finditer(_ACTION, match[2])]
    return Mode(None, tuple(actions))


def _applied(action: _Action, mode: int, *, executable: bool) -> int:
    bits = 0
    reach = action.who or 0o7777 & ~_UMASK
    cleared = action.who or _ALL
    beyond_others = not action.who or bool(action.who & ~0o007)
    for letter in action.permissions:
        match letter:
            case "r":
                bits |= 0o444
            case "w":
                bits |= 0o222
            case "x":
                bits |= 0o111
            case "X":
                bits |= 0o111 if executable else 0
            case "s":
                bits |= 0o6000 if beyond_others else 0
            case "t":
                if beyond_others:
                    bits |= 0o1000
                    reach |= 0o1000
                    cleared |= 0o1000
            case _:
                bits |= (mode >> {"u": 6, "g": 3, "o": 0}[letter] & 0o7) * 0o111
    bits &= reach
    if action.operator == "+":
        return mode | bits
    if action.operator == "-":
        return mode & ~bits
    return mode & ~cleared | bits


def _refusal(text: str) -> Invalid:
    return Invalid(
        f'invalid --chmod "{text}": expected an octal number between 0 and 07777, '
        "or a symbolic mode",
        hint="for example 0755, or u=rwX,go=rX",
    )
