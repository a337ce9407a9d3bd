"""What BuildKit knows at each instruction when it lowers a Dockerfile without running it.

Its checks are made on the way: each sees the variables, the SHELL and the WORKDIR of its moment,
and those behind the first error are never made. `trace` walks the same way once, for all of them.
What base images hold comes from `Facts.bases`; an image that is not there sets only PATH.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from lamina.dockerfile import instructions as ins
from lamina.dockerfile import mounts, ports, words
from lamina.dockerfile.source import Fault
from lamina.dockerfile.text import did_you_mean, suggest
from lamina.errors import Invalid
from lamina.lint.file import Base, File, Item, Part
from lamina.lint.rule import Phase
from lamina.lint.trace import State, Stop, Trace, Unset
from lamina.oci import platform as platforms
from lamina.oci import reference

_UNREPORTED = frozenset(("BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"))
_MANY = 300  # variables
_LAST = 1 << 30
_REMOTE = ("http://", "https://", "git@", "git://", "ssh://")


def trace(file: File) -> Trace:
    """Walk `file` as far as BuildKit would."""
    walker = _Walker(file)
    walker.walk()
    return walker.trace


class _Stopped(Exception):
    pass


class _Walker:
    def __init__(self, file: File) -> None:
        self.file = file
        self.trace = Trace()
        self.given = dict(file.facts.build_args)
        self.escape = file.reading.escape
        self.parts = [part for part in file.parts if part.base is not None]
        self.states: dict[int, State] = {}
        self.bases: dict[int, str] = {}  # the image of each stage, expanded

    def walk(self) -> None:
        try:
            self._faults()
            values = self._defaults()
            for part in self.parts:
                self._base(part, values)
            self._links()
            wanted = self._wanted()
            for part in self.parts:
                if part.index in wanted:
                    self._steps(part, values)
        except _Stopped:
            pass

    def _stop(self, phase: Phase, item: int, fault: Fault) -> _Stopped:
        self.trace.stop = Stop(phase, item, fault)
        return _Stopped()

    def _fail(self, phase: Phase, item: Item, error: Invalid, index: int | None = None) -> _Stopped:
        at = item.index if index is None else index
        return self._stop(phase, at, Fault(error.message, item.span, error.hint))

    # -- before the stages -----------------------------------------------------------------

    def _faults(self) -> None:
        reading = self.file.reading
        if reading.broken_lines:
            raise self._stop(Phase.LINES, -1, reading.broken_lines[0])
        if reading.broken_instructions:
            fault = min(reading.broken_instructions, key=lambda each: each.span.start_line)
            before = [i.index for i in self.file.items if i.line < fault.span.start_line]
            raise self._stop(Phase.PARSE, max(before, default=-1), fault)
        if not self.parts:
            first = reading.nodes[0].start_line if reading.nodes else 1
            raise self._stop(Phase.PARSE, _LAST, _no_stage(self.file, first))

    def _defaults(self) -> dict[str, str]:
        """The ARGs before the first FROM, as FROM lines see them."""
        platform = platforms.default()
        predefined = {}
        for prefix in ("BUILD", "TARGET"):
            predefined[f"{prefix}PLATFORM"] = platforms.format(platform)
            predefined[f"{prefix}OS"] = platform.os
            predefined[f"{prefix}OSVERSION"] = platform.os_version
            predefined[f"{prefix}ARCH"] = platform.architecture
            predefined[f"{prefix}VARIANT"] = platform.variant
        stage = self.parts[-1].base.instruction if self.parts[-1].base else None
        name = stage.as_name if isinstance(stage, ins.From) else None
        predefined["TARGETSTAGE"] = self.file.facts.target or name or "default"
        predefined |= {name: self.given[name] for name in predefined if name in self.given}
        self.trace.target_platform = predefined["TARGETPLATFORM"]
        self._bad_defaults(predefined)
        values = dict(predefined)
        for item in self._meta_args():
            assert isinstance(item.instruction, ins.Arg)
            for name, default in item.instruction.args:
                if name in self.given:
                    values[name] = self.given[name]
                elif default is not None:
                    try:
                        values[name] = words.expand(default, values, escape=self.escape)
                    except Invalid as error:
                        raise self._fail(Phase.DEFAULTS, item, error) from None
        return values

    def _meta_args(self) -> list[Item]:
        return [i for i in self.file.items if i.stage < 0 and isinstance(i.instruction, ins.Arg)]

    def _bad_defaults(self, predefined: Mapping[str, str]) -> None:
        values = dict(predefined)
        try:
            for item in self._meta_args():
                assert isinstance(item.instruction, ins.Arg)
                for name, default in item.instruction.args:
                    if default is not None:
                        values[name] = words.expand(default, values, escape=self.escape)
            for part in self.parts:
                name = words.expand(_from(part).image, values, escape=self.escape)
                if not _is_reference(name):
                    assert part.base is not None
                    self.trace.bad_defaults.append(part.base)
        except Invalid:
            return

    # -- FROM ------------------------------------------------------------------------------

    def _base(self, part: Part, values: Mapping[str, str]) -> None:
        item, line = part.base, _from(part)
        assert item is not None
        declared = {name for each in self._meta_args() for name, _ in _args(each)}
        known = sorted(declared | values.keys())
        name = self._in_from(item, line.image, values, known)
        if not name.text:
            message = f'base name "{line.image}" should not be blank'
            raise self._fail(Phase.BASES, item, Invalid(message))
        self.bases[part.index] = name.text
        if line.platform is None:
            return
        expansion = self._in_from(item, line.platform, values, known)
        self.trace.platforms.append((item, expansion))
        near = [did_you_mean(each, values) for each in sorted(expansion.missing)]
        hint = next((each for each in near if each), None)
        if not expansion.text:
            message = f'the platform "{line.platform}" is empty'
            raise self._fail(Phase.BASES, item, Invalid(message, hint=hint))
        try:
            platforms.parse(expansion.text)
        except Invalid as error:
            raise self._fail(Phase.BASES, item, Invalid(error.message, hint=hint)) from None

    def _in_from(
        self, item: Item, word: str, values: Mapping[str, str], known: list[str]
    ) -> words.Expansion:
        try:
            found = words.examine(word, values, escape=self.escape)
        except Invalid as error:
            raise self._fail(Phase.BASES, item, error) from None
        for name in sorted(found.missing):
            if name not in known:
                near = _near(name, known)
                self.trace.unset_in_from.append(Unset(item, name, near))
        return found

    def _links(self) -> None:
        """What stages take from one another, and whether base images have proper names."""
        for part in self.parts:
            for item in part.items:
                line = item.instruction
                if isinstance(line, ins.Copy) and line.from_ is not None and not item.in_trigger:
                    self._link(part, item, line.from_)
        for part in self.parts:
            name = self.bases[part.index]
            if self._earlier(part, name) is None and not _is_reference(name):
                assert part.base is not None
                error = Invalid(f'"{name}" is neither a stage nor the name of an image')
                raise self._fail(Phase.BASES, part.base, error, _LAST)

    def _link(self, part: Part, item: Item, name: str) -> None:
        try:
            if words.expand(name, {}, escape=self.escape) != name:
                raise Invalid(
                    "variable expansion is not supported for --from",
                    hint="give the image a stage of its own, FROM $NAME AS stage, and name that",
                )
            if name.isdigit() and int(name) >= len(self.parts):
                raise Invalid(f'"{name}" is no stage', hint=f"there are {len(self.parts)}")
            source = self._find(name)
            if source is not None and source.index == part.index:
                raise Invalid(f'stage "{name}" cannot read from itself')
        except Invalid as error:
            raise self._fail(Phase.BASES, item, error, _LAST) from None

    def _find(self, name: str) -> Part | None:
        for part in reversed(self.parts):
            if _from(part).as_name == name.lower():
                return part
        if name.isascii() and name.isdigit() and int(name) < len(self.parts):
            return self.parts[int(name)]
        return None

    def _earlier(self, part: Part, name: str) -> Part | None:
        for other in reversed(self.parts[: part.index]):
            if _from(other).as_name == name.lower():
                return other
        return None

    def _wanted(self) -> set[int]:
        """The stages that are built; all where no target is named."""
        everything = {part.index for part in self.parts}
        target = self._find(self.file.facts.target) if self.file.facts.target else None
        if target is None:
            return everything
        wanted: set[int] = set()
        waiting = [target]
        while waiting:
            part = waiting.pop()
            if part.index in wanted:
                continue
            wanted.add(part.index)
            names = [_name for item in part.items for _name in _sources_of(item)]
            sources = [self._find(name) for name in names]
            waiting += [each for each in sources if each is not None]
            base = self._earlier(part, self.bases[part.index])
            waiting += [base] if base is not None else []
        return wanted

    # -- instructions ----------------------------------------------------------------------

    def _steps(self, part: Part, values: Mapping[str, str]) -> None:
        state = self._initial(part)
        self.states[part.index] = state
        for item in part.items:
            self.trace.stepped.append(item)
            if item.in_trigger or isinstance(item.instruction, ins.OnBuild):
                continue
            try:
                self._step(item, state, values)
            except Invalid as error:
                raise self._fail(Phase.STEPS, item, error) from None

    def _initial(self, part: Part) -> State:
        name = self.bases[part.index]
        earlier = self._earlier(part, name)
        if earlier is not None:
            return self.states[earlier.index].copy()
        base = self.file.facts.bases.get(name, Base())
        return State({"PATH": "", **dict(base.env)}, has_shell=base.has_shell)

    def _step(self, item: Item, state: State, values: Mapping[str, str]) -> None:
        line = item.instruction
        expand = _Expander(self, item, state)
        match line:
            case ins.Arg():
                for name, default in line.args:
                    self._declare(expand, state, name, default, values)
            case ins.Env():
                pairs = [(expand(name), expand(value)) for name, value in line.pairs]
                state.env |= dict(pairs)
            case ins.Label():
                for name, value in line.pairs:
                    expand(name)
                    expand(value)
            case ins.Copy() | ins.Add():
                self._copy(item, line, expand, state)
            case ins.Run():
                for text in line.mounts:
                    mounts.parse_mount(text, expand)
            case ins.Workdir():
                path = expand(line.path)
                if not state.has_workdir and not path.startswith("/"):
                    self.trace.relative_workdirs.append((item, path))
                state.has_workdir = True
            case ins.Expose():
                self._expose(item, line, state)
            case ins.User():
                expand(line.user)
            case ins.StopSignal():
                expand(line.signal)
            case ins.Volume():
                if "" in [expand(path) for path in line.paths]:
                    raise Invalid("VOLUME cannot be an empty string")
            case ins.Shell():
                state.has_shell = True
            case ins.Cmd() | ins.Entrypoint():
                if line.command.is_shell and not state.has_shell:
                    self.trace.shell_forms.append(item)
            case _:
                pass

    def _declare(
        self,
        expand: _Expander,
        state: State,
        name: str,
        default: str | None,
        values: Mapping[str, str],
    ) -> None:
        if name in self.given:
            state.env[name] = self.given[name]
        elif default is not None:
            state.env[name] = expand(default)
        elif name in values:
            state.env[name] = values[name]
        state.args.add(name)

    def _copy(self, item: Item, line: ins.Copy | ins.Add, expand: _Expander, state: State) -> None:
        sources = [expand(path) for path in line.sources]
        expand(line.destination)
        for text in (line.chown, line.chmod, *line.excludes):
            if text is not None:
                expand(text)
        for document in line.heredocs:
            if document.expand:
                expand(document.content, is_body=True)
        if isinstance(line, ins.Add) or line.from_ is None:
            local = [path for path in sources if not path.startswith(_REMOTE)]
            self.trace.sources += [(item, path) for path in local]

    def _expose(self, item: Item, line: ins.Expose, state: State) -> None:
        for text in line.ports:
            for word in words.expand_to_words(text, state.env, escape=self.escape):
                self.trace.ports.append((item, word))
                ports.parse_ports(word)


class _Expander:
    """Expands words of one instruction, and notes what is not set."""

    def __init__(self, walker: _Walker, item: Item, state: State) -> None:
        self.walker = walker
        self.item = item
        self.state = state

    def __call__(self, word: str, *, is_body: bool = False) -> str:
        escape = "\\" if is_body else self.walker.escape
        found = words.examine(word, self.state.env, escape=escape, skip_quotes=is_body)
        self._note(found.missing)
        return found.text

    def _note(self, missing: Iterable[str]) -> None:
        for name in sorted(missing):
            if name not in self.state.args and name not in _UNREPORTED:
                near = _near(name, self.state.env)
                self.walker.trace.unset.append(Unset(self.item, name, near))


def _near(name: str, known: Collection[str]) -> str | None:
    """The name that was meant, perhaps; none among very many, for that would take minutes."""
    return suggest(name, known, exact=True) if len(known) <= _MANY else None


def _from(part: Part) -> ins.From:
    assert part.base is not None and isinstance(part.base.instruction, ins.From)
    return part.base.instruction


def _args(item: Item) -> tuple[tuple[str, str | None], ...]:
    assert isinstance(item.instruction, ins.Arg)
    return item.instruction.args


def _sources_of(item: Item) -> list[str]:
    line = item.instruction
    if isinstance(line, ins.Copy) and line.from_ is not None:
        return [line.from_]
    found: list[str] = []
    if isinstance(line, ins.Run):
        for text in line.mounts:
            try:
                mount = mounts.parse_mount(text)
            except Invalid:
                continue
            if mount.from_ is not None:
                found.append(mount.from_)
    return found


def _is_reference(name: str) -> bool:
    try:
        reference.parse(name)
    except Invalid:
        return False
    return True


def _no_stage(file: File, line: int) -> Fault:
    from lamina.dockerfile.source import Span

    span = Span(line, 1, line, 1)
    return Fault("there is no FROM", span, "a Dockerfile begins with FROM image")
