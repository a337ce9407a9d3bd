"""Values: classes with named, typed fields, as the standard library's dataclasses, made fast.

A command lives for some tens of milliseconds, and the rooms define more than a hundred such
classes. The standard decorator takes 0.85 ms for each (Python 3.11), because it writes and
compiles four methods whether anybody uses them or not, and its import brings `inspect` along.
Here a class takes 0.05 ms: its `__init__` is compiled when many instances are made, and the
other methods need no compiling. Type checkers see the standard decorator, and mean the same.

What is understood: `frozen`, `slots`, `kw_only`, `eq`; fields with `default`,
`default_factory`, `compare`, `hash` and `repr`; inheritance; `__post_init__`; `match` by
position; `replace`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers read it as True, and `typing` need not be imported

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace

else:
    from operator import attrgetter

    _MISSING = object()
    _SLOT = type(type("", (), {"__slots__": ("x",)}).x)  # types.MemberDescriptorType
    _WITH_CELLS = (type(lambda: 0), property, classmethod, staticmethod)
    _FEW = 20  # instances of a class, before it is worth compiling an `__init__` for it

    class FrozenInstanceError(AttributeError):
        """A field of a frozen value was to be changed."""

    class _Field:
        __slots__ = ("compare", "default", "factory", "hash", "kw_only", "name", "repr")
        init = True  # these two are what `dataclasses.replace` looks at
        _field_type = None

        def __init__(self, default, factory, compare, hash, repr):
            self.name = ""
            self.default = default
            self.factory = factory
            self.compare = compare
            self.hash = compare if hash is None else hash
            self.repr = repr
            self.kw_only = False

    def field(*, default=_MISSING, default_factory=_MISSING, compare=True, hash=None, repr=True):
        """A field that is not just a name with a default."""
        return _Field(default, default_factory, compare, hash, repr)

    def dataclass(cls=None, /, *, frozen=False, slots=False, kw_only=False, eq=True):
        """Give a class its fields' methods; as `dataclasses.dataclass`."""

        def make(cls):
            return _make(cls, frozen, slots, kw_only, eq)

        return make if cls is None else make(cls)

    def replace(value, /, **changes):
        """A copy of `value` with some fields changed."""
        for name in type(value).__dataclass_fields__:
            if name not in changes:
                changes[name] = getattr(value, name)
        return type(value)(**changes)

    def _make(cls, frozen, slots, kw_only, eq):
        own = _own_fields(cls, kw_only)
        fields = {}
        for base in cls.__mro__[-2:0:-1]:  # but for `object`, and for itself
            fields.update(base.__dict__.get("__dataclass_fields__", {}))
        fields.update(own)
        namespace = cls.__dict__
        more = {
            "__dataclass_fields__": fields,
            "__match_args__": tuple([n for n, each in fields.items() if not each.kw_only]),
            "__replace__": replace,  # for copy.replace (Python 3.13)
        }
        if "__repr__" not in namespace:
            more["__repr__"] = _repr
        own_eq = not eq or "__eq__" in namespace
        if not own_eq:
            more["__eq__"] = _eq_of([n for n, each in fields.items() if each.compare])
        if frozen:
            more["__setattr__"] = _refuse_set
            more["__delattr__"] = _refuse_delete
            if slots:
                more["__getstate__"] = _getstate
                more["__setstate__"] = _setstate
            if namespace.get("__hash__") is None or not own_eq:
                more["__hash__"] = _hash_of([n for n, each in fields.items() if each.hash])
        elif not own_eq:
            more["__hash__"] = None  # a value that changes has no lasting hash
        has_init = "__init__" in namespace
        if slots:
            cls = _with_slots(cls, own, more)
        else:
            for name, each in own.items():
                _set_default(cls, name, each)
            for name, value in more.items():
                setattr(cls, name, value)
        if not has_init:
            cls.__init__ = _lazy_init(cls, frozen)
        return cls

    def _own_fields(cls, kw_only):
        annotations = cls.__dict__.get("__annotations__")  # noqa: RUF063
        if annotations is None:  # Python 3.14 makes them when they are asked for
            annotations = cls.__annotations__ if "__annotate_func__" in cls.__dict__ else {}
        fields = {}
        for name, annotation in annotations.items():
            if str(annotation).startswith(("ClassVar", "typing.ClassVar")):
                continue
            default = cls.__dict__.get(name, _MISSING)
            each = default if isinstance(default, _Field) else field(default=default)
            each.name = name
            each.kw_only = kw_only
            fields[name] = each
        return fields

    def _set_default(cls, name, each):
        if each.default is not _MISSING:
            setattr(cls, name, each.default)
        elif name in cls.__dict__:
            delattr(cls, name)

    def _with_slots(cls, own, more):
        """The class once more, as slots cannot be added to one that exists, and `more` in it."""
        namespace = dict(cls.__dict__)
        for name in (*own, "__dict__", "__weakref__"):
            namespace.pop(name, None)
        members = list(namespace.values())
        inherited = {name for base in cls.__mro__[1:-1] for name in getattr(base, "__slots__", ())}
        namespace["__slots__"] = tuple([name for name in own if name not in inherited])
        namespace["__qualname__"] = cls.__qualname__
        namespace.update(more)
        again = type(cls)(cls.__name__, cls.__bases__, namespace)
        for each in members:
            if type(each) in _WITH_CELLS:
                _mend_cell(each, cls, again)
        return again

    def _mend_cell(member, old, new):
        """`super()` in a method finds its class in a cell, which must hold the new one."""
        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
        for cell in getattr(function, "__closure__", None) or ():
            try:
                if cell.cell_contents is old:
                    cell.cell_contents = new
            except ValueError:
                continue  # an empty cell

    def _lazy_init(cls, frozen):
        """An `__init__` that sets the fields one by one, and compiles a faster one in the end.

        Most classes get a few instances only in the life of a command, where compiling takes as
        long as some fifty of them.
        """
        fields = cls.__dataclass_fields__
        positional = cls.__match_args__
        assign = object.__setattr__
        calls = 0

        def __init__(self, *args, **kwargs):  # noqa: N807
            nonlocal calls
            calls += 1
            given = dict(zip(positional, args, strict=False), **kwargs) if args else kwargs
            known = len(given) == len(args) + len(kwargs) and given.keys() <= fields.keys()
            if calls > _FEW or not known:
                return compiled(self, *args, **kwargs)
            for name, each in fields.items():
                if name in given:
                    value = given[name]
                elif each.default is not _MISSING:
                    value = each.default
                elif each.factory is not _MISSING:
                    value = each.factory()
                else:
                    return compiled(self, *args, **kwargs)  # which says what is missing
                assign(self, name, value)
            if has_more:
                self.__post_init__()
            return None

        def compiled(self, *args, **kwargs):
            if cls.__init__ is __init__:
                cls.__init__ = _compiled_init(cls, frozen)
            cls.__init__(self, *args, **kwargs)

        has_more = hasattr(cls, "__post_init__")
        return __init__

    def _compiled_init(cls, frozen):
        names = {"_missing": _MISSING, "_set": object.__setattr__}
        positional, named, body = [], [], []
        for name, each in cls.__dataclass_fields__.items():
            text, value = name, name
            if each.default is not _MISSING:
                names[f"_default_{name}"] = each.default
                text = f"{name}=_default_{name}"
            elif each.factory is not _MISSING:
                names[f"_factory_{name}"] = each.factory
                text = f"{name}=_missing"
                value = f"_factory_{name}() if {name} is _missing else {name}"
            (named if each.kw_only else positional).append(text)
            slot = getattr(cls, name, None)
            if not frozen:
                body.append(f"self.{name} = {value}")
            elif type(slot) is _SLOT:  # a third of the time that looking the name up takes
                names[f"_set_{name}"] = slot.__set__
                body.append(f"_set_{name}(self, {value})")
            else:
                body.append(f"_set(self, {name!r}, {value})")
        if hasattr(cls, "__post_init__"):
            body.append("self.__post_init__()")
        arguments = ", ".join(["self", *positional, *(["*", *named] if named else [])])
        lines = "\n    ".join(body or ["pass"])
        exec(f"def __init__({arguments}):\n    {lines}", names)
        init = names["__init__"]
        init.__qualname__ = f"{cls.__qualname__}.__init__"
        return init

    def _eq_of(names):
        values = attrgetter(*names) if names else type

        def __eq__(self, other):  # noqa: N807
            if other.__class__ is not self.__class__:
                return NotImplemented
            return values(self) == values(other)

        return __eq__

    def _hash_of(names):
        values = attrgetter(*names) if names else type

        def __hash__(self):  # noqa: N807
            return hash(values(self))

        return __hash__

    def _repr(self):
        fields = type(self).__dataclass_fields__.items()
        shown = ", ".join(f"{n}={getattr(self, n)!r}" for n, each in fields if each.repr)
        return f"{type(self).__qualname__}({shown})"

    def _refuse_set(self, name, value):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_delete(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _getstate(self):
        return [getattr(self, name) for name in type(self).__dataclass_fields__]

    def _setstate(self, state):
        for name, value in zip(type(self).__dataclass_fields__, state, strict=True):
            object.__setattr__(self, name, value)


__all__ = ["dataclass", "field", "replace"]
