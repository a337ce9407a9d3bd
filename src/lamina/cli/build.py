"""`lamina build`: flags into a request, events into progress, the result into words and files."""

from __future__ import annotations

import os
import sys
from collections import deque

from lamina.cli import again
from lamina.cli.build_flags import FLAGS, called, request
from lamina.cli.command import Args, Command

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.build import Built, Event
    from lamina.cli.progress import Progress
    from lamina.engine import Engine
    from lamina.engine.building import BuildRequest

_ONCE = ("explain", "iidfile", "metadata-file", "push")  # what is done, and not only answered
_TAIL = 20  # lines of a failed step's output that are shown once more


def build(args: Args, engine: Engine) -> int:
    """Build, and print the image's ID where a script can read it."""
    from lamina.cli.progress import choose

    asked = request(args, os.environ, sys.stdin.buffer)
    method, form = called(args)
    if method == "check":
        return _check(engine, asked, form)
    if method in ("outline", "targets"):
        return _told(engine, asked, method, form)
    if args.flag("push"):
        _check_push(args, asked)
    echo = again.Echo(sys.stderr)
    progress = choose(_progress_name(args), os.environ, echo)
    tail = Tail(progress)
    try:
        built = engine.build(asked, tail.listen, sys.stdout.buffer)
    finally:
        progress.close()
        tail.show()
        if args.flag("explain"):
            from lamina.cli.why import explain

            explain(engine, sys.stderr)
    if args.flag("push"):
        _push(args, engine, asked.names)
    _write_files(args, built, asked.names)
    to_stdout = any(output.destination == "-" for output in asked.outputs)
    if not to_stdout:
        print(built.id)
    if built.basis is not None and _can_be_said_again(args, echo):
        again.keep(engine.store, args.line, os.environ, built.basis, echo, f"{built.id}\n")
    return 0


def _can_be_said_again(args: Args, echo: again.Echo) -> bool:
    """Whether an answer is all that was asked for, and holds no time that would be another."""
    took = (echo.text or "").partition("[+] Building ")[2]  # on a terminal
    is_timed = _progress_name(args) == "rawjson" or (took and not took.startswith("0.0s"))
    return not is_timed and not any(args.given(name) for name in _ONCE)


def _check(engine: Engine, asked: BuildRequest, form: str) -> int:
    """docker's checks; 1 if the build would fail before its first step, or on what was found."""
    from lamina.lint.formats import docker

    report = engine.check(asked)
    print(docker.report_json(report) if form == "json" else docker.report_text(report))
    return int(report.fault is not None)


def _told(engine: Engine, asked: BuildRequest, method: str, form: str) -> int:
    """What can be asked of the Dockerfile, and nothing built."""
    from lamina.cli import outline

    if method == "targets":
        source, offers = engine.targets(asked)
        print(outline.targets_json(source, offers) if form == "json" else outline.targets(offers))
    else:
        source, found = engine.outline(asked)
        print(outline.outline_json(source, found) if form == "json" else outline.outline(found))
    return 0


def _check_push(args: Args, asked: BuildRequest) -> None:
    """Refuse what cannot be pushed before anything is built."""
    if not asked.names:
        raise args.misused("--push needs a name to push to: give one with --tag")
    if asked.outputs and not any(output.keeps_image for output in asked.outputs):
        raise args.misused("--push sends the image of the store: add --load to the other outputs")


def _push(args: Args, engine: Engine, names: tuple[str, ...]) -> None:
    from lamina.cli.transfers import choose as choose_picture
    from lamina.oci import reference
    from lamina.transfer.push import Manner

    for name in names:
        picture = choose_picture(args, "push")
        try:
            engine.push(reference.parse(name).with_default_tag(), Manner(), tell=picture.listen)
        finally:
            picture.close()


def _progress_name(args: Args) -> str:
    if args.flag("quiet"):
        return "quiet"
    return args.text("progress") or os.environ.get("BUILDKIT_PROGRESS") or "auto"


class Tail:
    """Passes events on, and remembers the last lines that each step printed."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.labels: dict[str, str] = {}
        self.lines: dict[str, deque[bytes]] = {}
        self.failed: str | None = None

    def listen(self, event: Event) -> None:
        from lamina.build import Finished, Output, Started

        self.progress.listen(event)
        match event:
            case Started():
                self.labels[event.vertex] = event.label
            case Output():
                last = self.lines.setdefault(event.vertex, deque([b""], maxlen=_TAIL + 1))
                first, *rest = event.data.split(b"\n")
                last[-1] += first
                last.extend(rest)
            case Finished() if event.error not in (None, "canceled"):
                self.failed = self.failed or event.vertex

    def show(self) -> None:
        """What the step that failed printed last, for the error that follows."""
        lines = [line for line in self.lines.get(self.failed or "", ()) if line.strip()]
        if not lines:
            return
        out = sys.stderr
        print(f"------\n > {self.labels.get(self.failed or '', '')}:", file=out)
        for line in lines:
            print(line.rstrip(b"\r").decode("utf-8", "replace"), file=out)
        print("------", file=out)


def _write_files(args: Args, built: Built, names: tuple[str, ...]) -> None:
    """--iidfile and --metadata-file."""
    from lamina.fs import atomic

    path = args.text("iidfile")
    if path is not None:
        with atomic.result(path) as file:
            file.write(built.id.encode())
    path = args.text("metadata-file")
    if path is not None:
        import json

        descriptor = {
            "mediaType": built.descriptor.media_type,
            "digest": built.descriptor.digest,
            "size": built.descriptor.size,
        }
        metadata = {
            "containerimage.config.digest": built.id,
            "containerimage.descriptor": descriptor,
            "containerimage.digest": built.descriptor.digest,
        }
        if names:
            metadata["image.name"] = ",".join(names)
        with atomic.result(path) as file:
            file.write((json.dumps(metadata, indent=2) + "\n").encode())


BUILD = Command(usage="[OPTIONS] PATH | -", flags=FLAGS, arguments=(1, 1), run=build)
