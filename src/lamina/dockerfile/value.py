"""Frozen, slotted dataclasses that share their methods.

`dataclass` compiles five methods for each class, 0.7 ms a class, and this room has two dozen; that
would be paid by every command. So the fields are dataclass fields, and the methods are inherited.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass
from typing import Any, TypeVar, dataclass_transform

_T = TypeVar("_T")
_PLANS: dict[type, tuple[tuple[str, Any], ...]] = {}  # class -> (field, default) in order


class Value:
    """What `value` classes inherit: made once, compared and printed by their fields."""

    __slots__ = ()

    def __init__(self, *args: Any, **named: Any) -> None:
        plan = _PLANS.get(type(self)) or _plan(type(self))
        put = object.__setattr__
        if args:
            if len(args) > len(plan):
                raise TypeError(f"{type(self).__name__} takes {len(plan)} values")
            for (name, _), given in zip(plan, args, strict=False):
                put(self, name, given)
            plan = plan[len(args) :]
        for name, default in plan:
            given = named.pop(name, default) if named else default
            if given is MISSING:
                raise TypeError(f'{type(self).__name__} lacks "{name}"')
            put(self, name, given)
        if named:
            raise TypeError(f"{type(self).__name__} has no {', '.join(named)}")

    def __setattr__(self, name: str, given: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _fields(self) -> tuple[Any, ...]:
        plan = _PLANS.get(type(self)) or _plan(type(self))
        return tuple([getattr(self, name) for name, _ in plan])

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        assert isinstance(other, Value)
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self), self._fields()))

    def __repr__(self) -> str:
        plan = _PLANS.get(type(self)) or _plan(type(self))
        shown = ", ".join([f"{name}={getattr(self, name)!r}" for name, _ in plan])
        return f"{type(self).__name__}({shown})"


def _plan(cls: type) -> tuple[tuple[str, Any], ...]:
    fields = getattr(cls, "__dataclass_fields__", {})
    plan = _PLANS[cls] = tuple([(name, field.default) for name, field in fields.items()])
    return plan


@dataclass_transform(frozen_default=True)
def value(cls: type[_T]) -> type[_T]:
    """Makes `cls`, which inherits Value, a frozen and slotted dataclass."""
    return dataclass(init=False, repr=False, eq=False, slots=True)(cls)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def named_value(cls: type[_T]) -> type[_T]:
    """The same, its fields given by name only."""
    return dataclass(init=False, repr=False, eq=False, slots=True, kw_only=True)(cls)
