"""What a build needs from everybody, gathered and handed over: see `contexts` for its files."""

from __future__ import annotations

import os
import time
from _thread import allocate_lock  # as `threading` does, which takes longer to import
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from lamina import build
from lamina.build import BaseImage, Basis, Built, Graph, Listener, Options, Secret, Workshop
from lamina.build import events as told
from lamina.build.context import Context, LocalContext
from lamina.build.report import Reporter
from lamina.dockerfile import Dockerfile
from lamina.engine import again
from lamina.engine.contexts import (
    absolute,
    dockerfile_text,
    named_contexts,
    open_context,
    read_dockerfile,
)
from lamina.engine.spool import spooled
from lamina.errors import Invalid, NotFound
from lamina.image import view
from lamina.oci import reference
from lamina.values import dataclass, field, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from lamina.build.outputs import Output
    from lamina.build.report import Report
    from lamina.engine.engine import Engine
    from lamina.engine.shipping import Got
    from lamina.lint.runner import Report as Advice
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.platform import Platform
    from lamina.transfer.copy import Event

    Find = Callable[[str, Platform], Descriptor]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One build, as a caller asks for it."""

    context: Path | str | BinaryIO | None  # a directory, a tar, or nothing
    dockerfile: Path | str | bytes | None = None  # None: "Dockerfile" in the context
    in_context: str = "Dockerfile"  # its name in a context that is a tar
    text: bytes | None = None  # what to build instead of what the Dockerfile holds
    options: Options = field(default_factory=Options)
    names: tuple[str, ...] = ()  # as given; the image gets each of them
    named_contexts: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[Output, ...] = ()
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    ca_bundle: Path | str | None = None
    proxies: tuple[tuple[str, str], ...] = ()
    runtime: str | None = None
    pull: bool = False  # look for newer base images, and not only for those that are not here
    workers: int = 4
    record_reads: bool = False  # see which files of the context each RUN opens, for the report
    words: tuple[str, ...] = ()  # what was typed to ask for it, for the report
    is_trial: bool = False  # no report of it is kept: `why` goes on telling of the build before

    @property
    def directory(self) -> str | None:
        """The context, if it is a directory."""
        where = self.context
        return os.fspath(where) if isinstance(where, str | os.PathLike) else None


def run(engine: Engine, request: BuildRequest, listen: Listener, stdout: BinaryIO) -> Built:
    """Build what is asked for, name it, and write its outputs; see `lamina.build`."""
    began = time.time()
    names = [str(_with_tag(name)) for name in request.names]
    with ExitStack() as stack:
        spool = stack.enter_context(spooled(f"{engine.directory}/build"))
        find = _Finder(engine, request.pull, listen)
        graph, contexts, place = _plan(engine, request, spool, stack, find)
        workshop = Workshop(
            store=engine.store,
            snapshotter=engine.snapshotter,
            runtime=lambda: engine.runtime(request.runtime),
            unpack=engine.unpack,
            contexts=contexts,
            clock=time.time,
            cache_mounts=f"{engine.directory}/cache-mounts",
            spool=spool,
            secrets=request.secrets,
            ca_bundle=request.ca_bundle,
            proxies=request.proxies,
            record_reads=request.record_reads,
        )
        reporter = Reporter(
            graph, place=place, time=began, words=request.words, directory=os.getcwd()
        )

        def tell(event: build.Event) -> None:
            reporter.listen(event)
            listen(event)

        with engine.store.lease("build"):
            try:
                built = build.build(graph, workshop, tell, place=place, workers=request.workers)
            except build.StepFailed:
                if not request.is_trial:
                    reporter.keep(engine.store, None)
                raise
            if not request.is_trial:
                reporter.keep(engine.store, built.id)
            _keep(engine, request, built, names)
            _write(request, built, workshop, names, stdout)
        return replace(built, basis=_basis(engine, request, built, find, contexts, reporter))


def _basis(
    engine: Engine,
    request: BuildRequest,
    built: Built,
    find: _Finder,
    contexts: Mapping[str, Context],
    reporter: Reporter,
) -> Basis | None:
    """All that the answer rests on; None where that cannot be told."""
    if built.basis is None or not again.is_plain(request):
        return None
    files = again.dockerfiles(request, contexts.values())
    images = again.images(engine.store, find.found)
    if files is None or images is None:
        return None
    digest = str(built.descriptor.digest)
    names = tuple((str(_with_tag(name)), digest) for name in request.names) or (("", digest),)
    return replace(
        built.basis,
        files=(*built.basis.files, *files),
        images=(*images, *names),
        report=reporter.report.encode(),
        reported=tuple(reporter.keys()),
        began=reporter.report.time,
    )


def _plan(
    engine: Engine, request: BuildRequest, spool: str, stack: ExitStack, find: Find
) -> tuple[Graph, dict[str, Context], str]:
    """What the build will do, where it takes files from, and the name of its Dockerfile's place."""

    def base(name: str, platform: Platform) -> BaseImage:
        image = view.load(engine.store.blobs, find(name, platform), platform=platform)
        return BaseImage(name, image)

    context = open_context(request, spool, stack)
    dockerfile, place, context = read_dockerfile(request, context)
    contexts, named = named_contexts(engine, request, base)
    contexts[""] = context
    _refuse_by_checks(engine, dockerfile, request.options, context)
    graph = build.plan(dockerfile, request.options, resolve=base, contexts=named)
    return graph, contexts, place


def foresee(engine: Engine, request: BuildRequest, path: str) -> tuple[Report, list[int]]:
    """The last build of this Dockerfile, and which of its steps read `path` of the context.

    NotFound if it was never built, or has changed since.
    """
    from lamina.build import report
    from lamina.build.foresee import readers

    with ExitStack() as stack:
        spool = stack.enter_context(spooled(f"{engine.directory}/build"))
        find = _Finder(engine, False, lambda event: None)
        graph, contexts, place = _plan(engine, request, spool, stack, find)
        last = report.find(engine.store, place)
        if last is None or [one.label for one in last.steps] != [one.label for one in graph.steps]:
            raise NotFound("this Dockerfile was not built as it is now", hint="build it first")
        return last, readers(graph, contexts, path)


def planned(engine: Engine, request: BuildRequest) -> tuple[Graph, dict[str, Context], str]:
    """As `_plan`, with the images that are here alone; NotFound if that is not enough.

    The contexts must be directories: there is nobody to close anything else.
    """
    context_of(request)
    with ExitStack() as stack:
        spool = stack.enter_context(spooled(f"{engine.directory}/build"))
        return _plan(
            engine, request, spool, stack, lambda name, platform: engine.image(name, platform)[0]
        )


def place_of(request: BuildRequest) -> str:
    """What the report of a build is kept under; NotFound where there is no such Dockerfile."""
    assert request.directory is not None
    return read_dockerfile(request, LocalContext(absolute(request.directory)))[1]


def context_of(request: BuildRequest) -> LocalContext:
    """The directory that a build takes files from, with its ignore rules."""
    if request.directory is None:
        raise Invalid("only a directory can be looked at: name one")
    _, _, context = read_dockerfile(request, LocalContext(absolute(request.directory)))
    assert isinstance(context, LocalContext)
    return context


def check(engine: Engine, request: BuildRequest) -> Advice:
    """What BuildKit's checks say of a build, which is not done; see `lamina.lint.checks`."""
    from lamina.engine import advising

    with ExitStack() as stack:
        spool = stack.enter_context(spooled(f"{engine.directory}/build"))
        context = open_context(request, spool, stack)
        text, name, _, context = dockerfile_text(request, context)
        return advising.check(engine, text, name, request.options, context)


@contextmanager
def readable(engine: Engine, request: BuildRequest) -> Iterator[Dockerfile]:
    """The Dockerfile of a build that is not done."""
    with ExitStack() as stack:
        spool = stack.enter_context(spooled(f"{engine.directory}/build"))
        yield read_dockerfile(request, open_context(request, spool, stack))[0]


def _refuse_by_checks(
    engine: Engine, dockerfile: Dockerfile, options: Options, context: Context
) -> None:
    """Ends a build that is to fail on advice; only such a build pays for looking."""
    directive = dockerfile.directives.get("check")
    text = options.build_args.get("BUILDKIT_DOCKERFILE_CHECK", directive.value if directive else "")
    if "error" in text:
        from lamina.engine import advising

        advising.refuse(engine, dockerfile, options, context)


def _with_tag(name: str) -> reference.Reference:
    ref = reference.parse(name).with_default_tag()
    if ref.digest is not None:
        raise Invalid(f'"{name}" has a digest: an image cannot be given one as its name')
    return ref


def _keep(engine: Engine, request: BuildRequest, built: Built, names: list[str]) -> None:
    """Name the image, or keep it without a name; not if it goes elsewhere alone."""
    if request.outputs and not any(output.keeps_image for output in request.outputs):
        return
    for name in names:
        engine.store.names.tag(name, built.descriptor)
    if not names:
        engine.store.names.keep(built.descriptor)


def _write(
    request: BuildRequest,
    built: Built,
    workshop: Workshop,
    names: list[str],
    stdout: BinaryIO,
) -> None:
    if not request.outputs:
        return
    from lamina.build.outputs import write

    def standard_output() -> BinaryIO:
        if stdout.isatty():
            raise Invalid(
                "will not write an archive to a terminal", hint="redirect it, or give dest=FILE"
            )
        return stdout

    for output in request.outputs:
        write(output, built, workshop, names, standard_output)


# -- images --------------------------------------------------------------------------------


class _Finder:
    """Finds images here, and pulls those that are not, or with `always` all of them, once."""

    def __init__(self, engine: Engine, always: bool, listen: Listener) -> None:
        self.engine = engine
        self.always = always
        self.listen = listen
        self.found: dict[tuple[str, Platform], Descriptor] = {}

    def __call__(self, name: str, platform: Platform) -> Descriptor:
        if (name, platform) not in self.found:
            here = self._here(name, platform)
            self.found[name, platform] = here or self._pulled(name, platform)
        return self.found[name, platform]

    def _here(self, name: str, platform: Platform) -> Descriptor | None:
        try:
            return None if self.always else self.engine.image(name, platform)[0]
        except NotFound:
            return None

    def _pulled(self, name: str, platform: Platform) -> Descriptor:
        from lamina.engine import shipping  # here, for a build whose images are here does without

        return shipping.ensure(
            self.engine,
            name,
            platform,
            always=self.always,
            watch=lambda ref: _watched(ref, self.listen),
        )[0]


@contextmanager
def _watched(
    name: reference.Reference, listen: Listener
) -> Iterator[tuple[Callable[[Event], None], Callable[[Got], None]]]:
    """A pull told as one more step of the build."""
    vertex, lock = f"pull {name}", allocate_lock()
    last: dict[str, str] = {}

    def tell(event: Event) -> None:
        digest, outcome = event.descriptor.digest.short, str(event.outcome)
        with lock:
            if last.get(digest) != outcome:
                last[digest] = outcome
                listen(
                    told.Output(vertex, "stderr", f"{digest}: {outcome}\n".encode(), time.time())
                )

    listen(told.Started(vertex, f"[internal] pull {name.familiar()}", time.time()))
    try:
        yield tell, lambda got: None
    except BaseException as error:
        listen(told.Finished(vertex, time.time(), error=str(error) or type(error).__name__))
        raise
    listen(told.Finished(vertex, time.time()))
