"""How much waste is too much: the rules of a `.dive-ci`, judged by what we count.

    rules:
      lowestEfficiency: 0.95            the least share of what is written that is seen
      highestWastedBytes: 20MB          bytes that are never seen
      highestUserWastedPercent: 0.20    the same, as a share of all layers but the lowest

A rule that the file does not name is as dive has it; "disabled" turns one off (dive, "CI
Integration").
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from lamina.analysis.waste import Waste
from lamina.errors import Invalid, Unsupported
from lamina.image.stack import Stack
from lamina.values import dataclass, replace

_LIMIT = 1 << 20  # characters of a file
_OFF = ("", "disabled", "off", "false")
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmgtpe]?)(i?)(b?)", re.IGNORECASE)
_POWERS = "kmgtpe"


@dataclass(frozen=True, slots=True)
class Budget:
    """What an image may waste; None where nothing is asked."""

    efficiency: float | None = 0.9  # from 0 to 1
    wasted: int | None = None  # bytes
    user_wasted: float | None = 0.1  # from 0 to 1

    def broken(self, waste: Waste, stack: Stack) -> Iterator[str]:
        """The rules that the image breaks, each in words."""
        if self.efficiency is not None and waste.efficiency < self.efficiency:
            yield f"lowestEfficiency: {waste.efficiency:.4g} is less than {self.efficiency:g}"
        if self.wasted is not None and waste.wasted > self.wasted:
            yield f"highestWastedBytes: {waste.wasted} is more than {self.wasted}"
        if self.user_wasted is not None:
            added = sum(node.entry.size for node in stack.written if node.layer > 1)
            share = waste.wasted / added if added else 0.0
            if share > self.user_wasted:
                yield f"highestUserWastedPercent: {share:.4g} is more than {self.user_wasted:g}"


def parse(text: str, name: str = ".dive-ci") -> Budget:
    """The budget that the file `name` sets; Invalid."""
    rules = _rules(text, name)
    budget = Budget()
    for key, value in rules.items():
        if value is True or not isinstance(value, str | int | float | None):
            raise Invalid(f'"{key}" of "{name}" is "{value}", expected a number or "disabled"')
        said = "" if value is None or value is False else str(value).strip()
        is_off = said.lower() in _OFF
        match key:
            case "lowestEfficiency":
                found = None if is_off else _share(key, said, name)
                budget = replace(budget, efficiency=found)
            case "highestUserWastedPercent":
                found = None if is_off else _share(key, said, name)
                budget = replace(budget, user_wasted=found)
            case "highestWastedBytes":
                budget = replace(budget, wasted=None if is_off else _size(key, said, name))
            case _:
                hint = "use lowestEfficiency, highestWastedBytes or highestUserWastedPercent"
                raise Invalid(f'"{key}" is no rule of "{name}"', hint=hint)
    return budget


def _rules(text: str, name: str) -> dict[object, object]:
    if len(text) > _LIMIT:
        raise Invalid(f'"{name}" has {len(text)} characters, {_LIMIT} are allowed')
    try:
        import yaml
    except ImportError:
        raise Unsupported(
            f'reading "{name}" needs PyYAML', hint="pip install 'lamina[lint]'"
        ) from None
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else "malformed"
        raise Invalid(f'"{name}" is no YAML: {first}') from None
    rules = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(rules, dict) or set(document) != {"rules"}:
        raise Invalid(f'"{name}" has to hold "rules:" alone', hint="rules: {lowestEfficiency: 0.9}")
    return rules


def _share(key: str, text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise Invalid(f'"{key}" of "{name}" is "{text}", expected a number from 0 to 1')
    return value


def _size(key: str, text: str, name: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None or len(text) > 30:
        raise Invalid(f'"{key}" of "{name}" is "{text}", expected bytes such as 20MB')
    unit = found[2].lower()
    step = 1024 if found[3] else 1000
    return int(float(found[1]) * step ** (_POWERS.index(unit) + 1 if unit else 0))
