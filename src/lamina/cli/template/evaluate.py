"""Runs a template on a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lamina.cli.template import syntax
from lamina.cli.template.functions import FUNCTIONS, LAZY, Misuse
from lamina.cli.template.syntax import Chain, Literal, Node, Template, TemplateError
from lamina.cli.template.values import Map, Value, go_string
from lamina.errors import Error

Functions = Mapping[str, Callable[..., Value]]


def execute(template: Template, data: Value, functions: Functions = FUNCTIONS) -> str:
    """The text that `template` makes of `data`; TemplateError where it asks for what is not there.

    A field that a mapping does not have is an error, except in a `Map`.
    """
    return _Run(template.source, data, functions).text(template.nodes)


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class _Run:
    def __init__(self, source: str, data: Value, functions: Functions) -> None:
        self.source = source
        self.functions = functions
        self.dot = data
        self.variables: list[tuple[str, Value]] = [("$", data)]
        self.out: list[str] = []

    def text(self, nodes: Sequence[Node]) -> str:
        try:
            self._walk(nodes)
        except (_Break, _Continue):
            raise self._error(0, '"break" or "continue" outside of "range"') from None
        except RecursionError:
            raise self._error(0, "nested too deeply") from None
        return "".join(self.out)

    def _error(self, offset: int, message: str, hint: str | None = None) -> TemplateError:
        return TemplateError(self.source, offset, message, hint=hint)

    def _walk(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            match node:
                case syntax.Text():
                    self.out.append(node.text)
                case syntax.Action():
                    value = self._pipeline(node.pipeline)
                    self._name(node.pipeline, (value,))
                    if not node.pipeline.names:
                        self.out.append(go_string(value))
                case syntax.Branch():
                    self._branch(node)
                case syntax.Jump():
                    raise _Break if node.word == "break" else _Continue

    def _branch(self, node: syntax.Branch) -> None:
        depth, dot = len(self.variables), self.dot
        value = self._pipeline(node.pipeline)
        try:
            if node.word == "range":
                if not self._range(node, value):
                    self._walk(node.otherwise)
                return
            self._name(node.pipeline, (value,))
            if value and node.word == "with":
                self.dot = value
            self._walk(node.body if value else node.otherwise)
        finally:
            del self.variables[depth:]
            self.dot = dot

    def _range(self, node: syntax.Branch, value: Value) -> bool:
        """Walk the body for each item; whether there was one."""
        outer = self.dot
        depth = len(self.variables)
        pairs = self._pairs(node, value)
        for key, item in pairs:
            names = node.pipeline.names
            self._name(node.pipeline, (item,) if len(names) == 1 else (key, item))
            self.dot = item
            try:
                self._walk(node.body)
            except _Continue:
                pass
            except _Break:
                break
            finally:
                del self.variables[depth:]
                self.dot = outer
        return bool(pairs)

    def _pairs(self, node: syntax.Branch, value: Value) -> list[tuple[Value, Value]]:
        match value:
            case None:
                return []
            case Mapping():
                return [(key, value[key]) for key in sorted(value)]
            case bool() | str():
                pass
            case Sequence():
                return list(enumerate(value))
            case int():
                return [(i, i) for i in range(value)]
        offset = node.pipeline.commands[0].offset
        raise self._error(offset, f"range cannot go over {_kind(value)}")

    def _name(self, pipeline: syntax.Pipeline, values: Sequence[Value]) -> None:
        for name, value in zip(pipeline.names, values, strict=False):
            if pipeline.declares:
                self.variables.append((name, value))
                continue
            for i in range(len(self.variables) - 1, -1, -1):
                if self.variables[i][0] == name:
                    self.variables[i] = (name, value)
                    break
            else:
                raise self._error(pipeline.commands[0].offset, f'undefined variable "{name}"')

    def _pipeline(self, pipeline: syntax.Pipeline) -> Value:
        value: Value = None
        for i, command in enumerate(pipeline.commands):
            value = self._command(command, (value,) if i else ())
        return value

    def _command(self, command: syntax.Command, piped: tuple[Value, ...]) -> Value:
        first, *rest = command.operands
        if isinstance(first, syntax.Call):
            return self._call(first, rest, piped)
        if isinstance(first, Literal):
            if rest or piped:
                raise self._error(command.offset, "a literal cannot take arguments")
            return first.value
        value = self._chain(first)
        if callable(value):
            arguments = [self._operand(operand) for operand in rest]
            return self._invoke(first.offset, ".".join(first.fields), value, [*arguments, *piped])
        if rest or piped:
            name = ".".join(("", *first.fields))
            raise self._error(first.offset, f'"{name}" is not a function and takes no arguments')
        return value

    def _operand(self, operand: syntax.Operand) -> Value:
        match operand:
            case Literal():
                return operand.value
            case Chain():
                value = self._chain(operand)
                if callable(value):
                    return self._invoke(operand.offset, ".".join(operand.fields), value, [])
                return value
            case syntax.Call():
                return self._call(operand, [], ())

    def _call(
        self, call: syntax.Call, operands: Sequence[syntax.Operand], piped: tuple[Value, ...]
    ) -> Value:
        if call.name in LAZY:
            value: Value = None
            for operand in [*operands, *(Literal(value) for value in piped)]:
                value = self._operand(operand)
                if bool(value) is (call.name == "or"):
                    break
            return value
        function = self.functions.get(call.name)
        if function is None:
            from lamina.cli.suggest import did_you_mean

            near = did_you_mean(call.name, [*self.functions, *LAZY])
            raise self._error(call.offset, f'function "{call.name}" is not defined{near}')
        arguments = [*(self._operand(operand) for operand in operands), *piped]
        return self._invoke(call.offset, call.name, function, arguments)

    def _invoke(
        self, offset: int, name: str, function: Callable[..., Value], arguments: list[Value]
    ) -> Value:
        try:
            return function(*arguments)
        except Error:
            raise
        except Misuse as error:
            raise self._error(offset, f"{name}: {error}") from None
        except (TypeError, ValueError, AttributeError, KeyError, IndexError):
            given = ", ".join(_kind(argument) for argument in arguments) or "nothing"
            raise self._error(offset, f'function "{name}" cannot take {given}') from None

    def _chain(self, chain: Chain) -> Value:
        match chain.base:
            case None:
                value = self.dot
            case str():
                value = self._variable(chain.base, chain.offset)
            case syntax.Pipeline():
                value = self._pipeline(chain.base)
        for i, name in enumerate(chain.fields):
            value = self._field(value, name, chain, i)
        return value

    def _variable(self, name: str, offset: int) -> Value:
        for known, value in reversed(self.variables):
            if known == name:
                return value
        raise self._error(offset, f'undefined variable "{name}"')

    def _field(self, value: Value, name: str, chain: Chain, i: int) -> Value:
        if isinstance(value, Map):
            return value.get(name, "")
        if isinstance(value, Mapping):
            if name in value:
                return value[name]
            from lamina.cli.suggest import did_you_mean

            known = ", ".join(f".{key}" for key in value)
            raise self._error(
                chain.offset,
                f'there is no field ".{name}"' + did_you_mean(name, value, "."),
                hint=f"fields are {known}" if known and len(known) < 400 else None,
            )
        before = ".".join(("", *chain.fields[:i])) or "."
        raise self._error(chain.offset, f'"{before}" is {_kind(value)} and has no field ".{name}"')


def _kind(value: Value) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "a bool"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case Mapping():
            return "a map"
        case Sequence():
            return "a list"
    return "a function"
