"""The build context: what is sent, and what must not be."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.lint.file import File, Item
from lamina.lint.finding import Hit
from lamina.lint.rules.kin import INFO, WARNING, lamina

_PRIVATE = (".env", ".git-credentials", ".netrc", ".npmrc", ".pypirc", "id_rsa", "id_ed25519")


def no_ignore_file(file: File) -> Iterator[Hit]:
    """Where COPY takes the whole context, an ignore file says what stays out of it.

    Otherwise `.git`, local settings and build results come along: the cache is lost whenever
    one of them changes, and secrets land in a layer. Looked for only where the context is known.
    """
    if not file.facts.has_context or file.facts.ignore is not None:
        return
    for item in _whole(file):
        yield file.hit(item, hint="write a .dockerignore, with .git in it to begin with")


def history_copied(file: File) -> Iterator[Hit]:
    """Where COPY takes the whole context, the ignore file leaves out `.git`.

    Every commit changes it, and with it the layer; and whoever has the image has the history.
    """
    ignore = file.facts.ignore
    if not file.facts.has_context or ignore is None or not file.facts.has_history:
        return
    if not ignore.ignores(".git"):
        for item in _whole(file):
            yield file.hit(item, hint="add .git to the ignore file")


def private_file(file: File) -> Iterator[Hit]:
    """COPY does not take files that hold secrets: `.env`, `.npmrc`, keys of SSH …

    Whoever has the image has the layer, whatever is removed later.

        COPY .npmrc /root/                                            # no
        RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci   # yes
    """
    for item in file.of(ins.Copy, ins.Add):
        line = item.instruction
        assert isinstance(line, ins.Copy | ins.Add)
        if isinstance(line, ins.Copy) and line.from_ is not None:
            continue
        for source in line.sources:
            if source.strip("\"'").rsplit("/", 1)[-1] in _PRIVATE:
                yield file.hit(
                    item,
                    f'"{source}" may hold secrets, and the layer keeps it',
                    at=source,
                    hint="use RUN --mount=type=secret",
                )
                break


def _whole(file: File) -> Iterator[Item]:
    for item in file.of(ins.Copy, ins.Add):
        line = item.instruction
        assert isinstance(line, ins.Copy | ins.Add)
        is_stage = isinstance(line, ins.Copy) and line.from_ is not None
        paths = {path.strip("\"'").rstrip("/") for path in line.sources}
        if not is_stage and paths & {"", "."}:
            yield item


RULES = (
    lamina(
        "LM1201", "no-ignore-file", WARNING, "the whole context is copied, and nothing is ignored",
        no_ignore_file,
    ),
    lamina("LM1202", "history-copied", INFO, "the history of git is copied", history_copied),
    lamina("LM1302", "private-file", WARNING, "a file that holds secrets is copied", private_file),
)  # fmt: skip
