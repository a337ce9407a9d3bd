"""A Dockerfile made again from an image's history: what can be known of it, and no more.

History texts are those of BuildKit ("RUN /bin/sh -c make # buildkit"), of Docker's old builder and
buildah ("/bin/sh -c #(nop) CMD …", "/bin/sh -c make"), and plain instructions as others write them.
They have lost the base's name, the files of the context, and quotes; what is written instead says
so. Each layer that was copied is an ADD of that layer's own tar, so that the text can be built.
"""

from __future__ import annotations

import json
import re

from lamina.image.view import Image, Row
from lamina.oci.config import RunConfig

_NOP = re.compile(r"(?:/bin/sh -c )?#\(nop\)\s*")
_ARGUMENTS = re.compile(r"\|(\d+) ")
_SHELL = "/bin/sh -c"
_WORDS = re.compile(
    "ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN|SHELL"
    "|STOPSIGNAL|USER|VOLUME|WORKDIR"
)


def reconstruct(image: Image) -> str:
    """The text of a Dockerfile that makes this image's config, given its layers as tars.

    Without a history every layer is an ADD, and the config comes last.
    """
    lines = [f"# Made again from the history of {image.id}", "FROM scratch"]
    number = 0
    config = image.config.config
    for row in image.rows:
        number += row.layer is not None
        lines += _instruction(row, number, config)
    if not image.config.history:
        lines += _configured(config)
    return "\n".join(lines) + "\n"


def _instruction(row: Row, number: int, config: RunConfig) -> list[str]:
    text = row.history.created_by or ""
    text = text.removesuffix("# buildkit").rstrip()
    is_nop = _NOP.match(text)
    if is_nop:
        text = text[is_nop.end() :].strip()
    word, _, rest = text.partition(" ")
    if not is_nop and not _WORDS.fullmatch(word):
        word, rest = ("RUN", text) if text else ("", "")
    if word in ("ADD", "COPY") or not word:
        return _added(row, number, text)
    if word == "RUN":
        return _run(rest.strip(), config)
    return _setting(word, rest.strip(), config)


def _added(row: Row, number: int, text: str) -> list[str]:
    """A layer whose files came from outside; an empty one adds nothing."""
    said = " ".join(text.split()) or row.history.comment or "a layer that no history tells of"
    if row.layer is None:
        return [f"# {said}"]
    return [f"# {said}", f"# layer {number}: {row.layer.diff_id}", f"ADD layer-{number}.tar /"]


def _run(text: str, config: RunConfig) -> list[str]:
    arguments: list[str] = []
    match = _ARGUMENTS.match(text)
    if match:
        # "|2 A=1 B=two words /bin/sh -c …": the names are sure, a value ends where the next begins.
        text = text[match.end() :]
        for _ in range(int(match[1])):
            value, text = _argument(text)
            arguments.append(f"ARG {value}")
    for shell in (" ".join(config.shell or ()), _SHELL):
        if shell and text.startswith(f"{shell} "):
            return [*arguments, *_script(text[len(shell) + 1 :])]
    return [*arguments, f"RUN {json.dumps(text.split(), ensure_ascii=False)}"]


def _argument(text: str) -> tuple[str, str]:
    """The first `NAME=value` of a list of them before a command, and what comes after it."""
    match = re.match(r"(\w+)=(.*?) (?=\w+=|/|\[)", text, re.DOTALL)
    if match is None:
        value, _, rest = text.partition(" ")
        return value, rest
    return f"{match[1]}={_quoted(match[2])}", text[match.end() :]


def _script(script: str) -> list[str]:
    if "\n" not in script:
        return [f"RUN {script}"]
    end = "EOF"
    while end in script:
        end += "F"
    return [f'RUN <<"{end}"', *script.rstrip("\n").split("\n"), end]


def _setting(word: str, rest: str, config: RunConfig) -> list[str]:
    """An instruction that changes only the config, in words that mean the same."""
    if word == "ENV":
        return [f"ENV {_pairs(rest, config.environment())}"]
    if word == "LABEL":
        return [f"LABEL {_pairs(rest, config.labels)}"]
    if word in ("EXPOSE", "VOLUME"):
        # "map[80/tcp:{} 81/tcp:{}]" and "[/data /more]" are how Go prints them.
        items = re.sub(r"^map\[|^\[|\]$|:(?:\{\}|struct \{\}\{\})", "", rest).split()
        return [f"{word} {' '.join(items)}"]
    if word == "SHELL" and not rest.startswith('["'):
        shell = config.shell or tuple(rest.strip("[]").split())
        return [f"SHELL {json.dumps(shell, ensure_ascii=False)}"]
    if word == "HEALTHCHECK":
        return _healthcheck(config)
    if word in ("CMD", "ENTRYPOINT"):
        return [f"{word} {_command(rest)}"]
    return [f"{word} {rest}"]


def _command(rest: str) -> str:
    """JSON as it is; as old builders printed it, without commas, mended."""
    try:
        json.loads(rest)
    except ValueError:
        mended = re.sub(r'" "', '", "', rest)
        try:
            json.loads(mended)
        except ValueError:
            return rest
        return mended
    return rest


def _pairs(rest: str, known: object) -> str:
    """`NAME=value …`, whose values have lost their quotes, with quotes where they are needed.

    The config tells where a value ends: a name that it has with all the rest as its value is one.
    """
    assert isinstance(known, dict)
    name, equals, value = rest.partition("=")
    if not equals:
        name, _, value = rest.partition(" ")
        return f"{name}={_quoted(value.strip())}"
    pieces = re.split(r" (?=[^\s=]+=)", rest)
    if known.get(name) == value or len(pieces) == 1:
        return f"{name}={_quoted(value)}"
    pairs = [piece.partition("=") for piece in pieces]
    return " ".join(f"{key}={_quoted(text)}" for key, _, text in pairs)


def _quoted(value: str) -> str:
    """A value that nothing expands, in quotes if it needs them; those that it has stay."""
    if re.fullmatch(r"[\w@%+=:,./-]+", value) or re.fullmatch(r'"[^"$\\]*"', value):
        return value
    escaped = re.sub(r'(["\\$])', r"\\\1", value)
    return f'"{escaped}"'


def _healthcheck(config: RunConfig) -> list[str]:
    check = config.healthcheck
    if check is None or not check.test:
        return []
    if check.test[0] == "NONE":
        return ["HEALTHCHECK NONE"]
    flags = [
        f"--{name}={_duration(value)} "
        for name, value in (
            ("interval", check.interval),
            ("timeout", check.timeout),
            ("start-period", check.start_period),
            ("start-interval", check.start_interval),
        )
        if value
    ]
    if check.retries:
        flags.append(f"--retries={check.retries} ")
    if check.test[0] == "CMD-SHELL":
        command = " ".join(check.test[1:])
    else:
        command = json.dumps(check.test[1:], ensure_ascii=False)
    return [f"HEALTHCHECK {''.join(flags)}CMD {command}"]


def _duration(nanoseconds: int) -> str:
    """As Go reads it, in the largest unit that is exact."""
    for unit, size in (("s", 10**9), ("ms", 10**6)):
        if nanoseconds % size == 0:
            return f"{nanoseconds // size}{unit}"
    return f"{nanoseconds}ns"


def _configured(config: RunConfig) -> list[str]:
    """Instructions that say what a config says."""
    lines = [f"ENV {name}={_quoted(value)}" for name, value in config.environment().items()]
    lines += [f"LABEL {name}={_quoted(value)}" for name, value in config.labels.items()]
    lines += [f"EXPOSE {port}" for port in config.exposed_ports]
    lines += [f"VOLUME {path}" for path in config.volumes]
    for word, value in (
        ("WORKDIR", config.working_dir),
        ("USER", config.user),
        ("STOPSIGNAL", config.stop_signal),
    ):
        if value:
            lines.append(f"{word} {value}")
    for word, words in (
        ("SHELL", config.shell),
        ("ENTRYPOINT", config.entrypoint),
        ("CMD", config.cmd),
    ):
        if words:
            lines.append(f"{word} {json.dumps(words, ensure_ascii=False)}")
    return lines + _healthcheck(config)
