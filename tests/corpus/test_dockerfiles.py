"""Real Dockerfiles of public repositories, and what BuildKit's parser made of each."""

from __future__ import annotations

import gzip
import json
import re
from functools import cache
from pathlib import Path

import pytest

from lamina.dockerfile import Dockerfile, DockerfileErrors, parse, parse_nodes
from lamina.dockerfile import instructions as ins
from lamina.dockerfile.nodes import Node

CASES = Path(__file__).parents[2] / "../shared/cases/dockerfiles"
PEER = CASES / "peer_parse.jsonl.gz"
pytestmark = pytest.mark.skipif(not PEER.exists(), reason="../shared/cases is not here")


@cache
def rows() -> list[dict]:
    with gzip.open(PEER, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def score() -> list[tuple[str, int, int, list[str]]]:
    """(kind, passed, total, failing ids) of each kind; empty where the cases are missing."""
    if not PEER.exists():
        return []
    kinds = {"dockerfiles: nodes": nodes_differ, "dockerfiles: instructions": typed_differ}
    scores = []
    for kind, differ in kinds.items():
        failing = [row["id"] for row in rows() if differ(row)]
        scores.append((kind, len(rows()) - len(failing), len(rows()), failing))
    return scores


def go_quote(text: str) -> str:
    """`text` as Go's strconv.Quote prints it."""
    out = []
    short = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    short |= {"\v": "\\v", '"': '\\"', "\\": "\\\\"}
    for c in text:
        if c in short:
            out.append(short[c])
        elif "\udc80" <= c <= "\udcff":
            out.append(f"\\x{ord(c) - 0xDC00:02x}")
        elif c.isprintable():
            out.append(c)
        elif ord(c) < 0x20 or c == "\x7f":
            out.append(f"\\x{ord(c):02x}")
        elif ord(c) < 0x10000:
            out.append(f"\\u{ord(c):04x}")
        else:
            out.append(f"\\U{ord(c):08x}")
    return '"' + "".join(out) + '"'


def dump(node: Node) -> str:
    """`node` as BuildKit's debug print shows it."""
    text = node.keyword.lower()
    if node.flags:
        text += " [" + " ".join(map(go_quote, node.flags)) + "]"
    if node.child:
        return f"{text} ({dump(node.child)})"
    for arg in node.args:
        text += " " + go_quote(arg)
    return text.strip()


def plain(value: object) -> object:
    """`value` with what JSON cannot hold replaced, as the peer's JSON has it."""
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in value)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value


def as_peer_node(node: Node, *, is_sub: bool = False) -> dict:
    """`node` with the peer's names."""
    row: dict = {
        "end_line": 0 if is_sub else node.end_line,
        "flags": list(node.flags),
        "instruction": node.name,
        "json": node.is_json,
        "original": node.original,
        "start_line": 0 if is_sub else node.start_line,
        "value": node.keyword,
    }
    if node.child:
        row["sub"] = as_peer_node(node.child, is_sub=True)
    else:
        row["args"] = list(node.args)
    if node.comments:
        row["prev_comment"] = list(node.comments)
    if node.heredocs:
        row["heredocs"] = [
            {
                "chomp": heredoc.chomp,
                "content": heredoc.content,
                "expand": heredoc.expand,
                "fd": heredoc.descriptor,
                "name": heredoc.name,
            }
            for heredoc in node.heredocs
        ]
    return plain(row)  # type: ignore[return-value]


def same(ours: object, theirs: object) -> bool:
    """Equal, but that the peer's answers have SCRATCH where some paths were struck out."""
    if isinstance(ours, str) and isinstance(theirs, str):
        if "SCRATCH" not in theirs:
            return ours == theirs
        form = r"\S+".join(map(re.escape, theirs.split("SCRATCH")))
        return re.fullmatch(form, ours) is not None
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    return ours == theirs


def nodes_equal(nodes: list[Node], theirs: list[dict]) -> bool:
    """Whether the peer's nodes are ours; Go's nil lists count as empty ones."""
    filled = [_filled(row) for row in theirs]
    return same([as_peer_node(node) for node in nodes], filled)


def _filled(row: dict) -> dict:
    row = {**row, "flags": row["flags"] or []}
    if "sub" in row:
        return {**row, "sub": _filled(row["sub"])}
    return {**row, "args": row.get("args") or []}


def _command(command: ins.Command) -> dict:
    files = [
        {"Chomp": each.chomp, "Data": each.content, "Name": each.name} for each in command.heredocs
    ]
    return {
        "CmdLine": list(command.args),
        "Files": files or None,
        "PrependShell": command.is_shell,
    }


def _sources(each: ins.Copy | ins.Add) -> dict:
    inline = [
        {"Data": doc.content, "Expand": doc.expand, "Path": doc.name} for doc in each.heredocs
    ]
    return {
        "DestPath": each.destination,
        "SourceContents": inline or None,
        "SourcePaths": list(each.sources) or None,
    }


def as_peer_command(each: ins.Instruction) -> dict:
    """The fields of `each` with the peer's names."""
    match each:
        case ins.Env():
            pairs = [
                {"Key": key, "NoDelim": each.is_legacy, "Value": value} for key, value in each.pairs
            ]
            return {"Env": pairs}
        case ins.Label():
            pairs = [
                {"Key": key, "NoDelim": each.is_legacy, "Value": value} for key, value in each.pairs
            ]
            return {"Labels": pairs, "noExpand": False}
        case ins.Run():
            used = sorted({flag[2:].partition("=")[0] for flag in each.flags})
            return {"FlagsUsed": used, "ShellDependantCmdLine": _command(each.command)}
        case ins.Cmd() | ins.Entrypoint():
            return {"ShellDependantCmdLine": _command(each.command)}
        case ins.Shell():
            return {"Shell": list(each.args)}
        case ins.Copy():
            return {
                "Chmod": each.chmod or "",
                "Chown": each.chown or "",
                "ExcludePatterns": list(each.excludes) or None,
                "From": each.from_ or "",
                "Link": each.link,
                "Parents": each.parents,
                "SourcesAndDest": _sources(each),
            }
        case ins.Add():
            return {
                "Checksum": each.checksum or "",
                "Chmod": each.chmod or "",
                "Chown": each.chown or "",
                "ExcludePatterns": list(each.excludes) or None,
                "KeepGitDir": each.keep_git_dir,
                "Link": each.link,
                "SourcesAndDest": _sources(each),
                "Unpack": each.unpack,
            }
        case ins.Workdir():
            return {"Path": each.path}
        case ins.Arg():
            return {"Args": [{"Key": key, "Value": value} for key, value in each.args]}
        case ins.User():
            return {"User": each.user}
        case ins.Volume():
            return {"Volumes": list(each.paths)}
        case ins.Expose():
            return {"Ports": list(each.ports)}
        case ins.StopSignal():
            return {"Signal": each.signal}
        case ins.OnBuild():
            return {"Expression": each.trigger}
        case ins.Maintainer():
            return {"Maintainer": each.author}
        case ins.Healthcheck():
            return {
                "Health": {
                    "Interval": each.interval,
                    "Retries": each.retries,
                    "StartInterval": each.start_interval,
                    "StartPeriod": each.start_period,
                    "Test": list(each.test),
                    "Timeout": each.timeout,
                }
            }
    raise AssertionError(each.name)


def _location(each: ins.Instruction) -> list[int]:
    return list(range(each.span.start_line, each.span.end_line + 1))


def peer_command(row: dict) -> dict:
    """The peer's command without what only Go has."""
    cmd = {key: value for key, value in row["cmd"].items() if not key.startswith("with")}
    if "FlagsUsed" in cmd:
        cmd["FlagsUsed"] = sorted(cmd["FlagsUsed"])
    if "ShellDependantCmdLine" in cmd:
        line = cmd["ShellDependantCmdLine"]
        cmd["ShellDependantCmdLine"] = {**line, "CmdLine": line["CmdLine"] or []}
    if "Args" in cmd:
        cmd["Args"] = [{key: arg[key] for key in ("Key", "Value")} for arg in cmd["Args"]]
    if "Health" in cmd:
        cmd["Health"] = {**cmd["Health"]}
    return cmd


def own_stages(file: Dockerfile) -> tuple[list, list]:
    """Stages and meta ARGs, as lists of plain values."""
    stages = []
    for stage in file.stages:
        base = stage.base
        head = {
            "BaseName": base.image,
            "Lines": _location(base),
            "Name": stage.name or "",
            "OrigCmd": base.keyword,
            "Platform": base.platform or "",
            "SourceCode": base.original.strip(),
        }
        commands = [
            {
                "name": each.keyword,
                "lines": _location(each),
                "code": each.original.strip(),
                "comments": list(each.comments) or None,
                "cmd": as_peer_command(each),
            }
            for each in stage.instructions
        ]
        stages.append((head, commands))
    meta = [(as_peer_command(each), _location(each)) for each in file.meta_args]
    return plain(stages), plain(meta)  # type: ignore[return-value]


def peer_stages(row: dict) -> tuple[list, list]:
    """The peer's stages and meta ARGs, in the same form."""
    stages = []
    for each in row["stages"] or []:
        stage = each["stage"]
        head = {
            key: stage[key] for key in ("BaseName", "Name", "OrigCmd", "Platform", "SourceCode")
        }
        head["Lines"] = [place["Start"]["Line"] for place in stage["Location"]]
        commands = []
        for command in each["commands"]:
            common = command["cmd"]["withNameAndCode"]
            commands.append(
                {
                    "name": common["name"],
                    "lines": [place["Start"]["Line"] for place in common["location"]],
                    "code": common["code"].strip(),
                    "comments": common["comments"],
                    "cmd": peer_command(command),
                }
            )
        stages.append([head, commands])
    meta = [
        [
            peer_command({"cmd": each}),
            [place["Start"]["Line"] for place in each["withNameAndCode"]["location"]],
        ]
        for each in row["meta_args"] or []
    ]
    return stages, meta


def nodes_differ(row: dict) -> str:
    """What differs between the peer's nodes and ours; empty if nothing."""
    data = (CASES / row["id"]).read_bytes()
    try:
        nodes = parse_nodes(data)
    except DockerfileErrors as error:
        return "" if row.get("parse_error") else f"refused: {error}"
    if row.get("parse_error"):
        return f"accepted, the peer says {row['parse_error']}"
    if not nodes_equal(nodes, row["nodes"]):
        return "nodes differ"
    text = "\n".join(f"({dump(node)})" for node in nodes)
    return "" if same(text, row["dump"].strip()) else "dumps differ"


def typed_differ(row: dict) -> str:
    """What differs between the peer's stages and ours; empty if nothing."""
    data = (CASES / row["id"]).read_bytes()
    fault = row.get("parse_error") or row.get("instr_error")
    try:
        file = parse(data)
    except DockerfileErrors as error:
        return "" if fault else f"refused: {error}"
    if fault:
        return f"accepted, the peer says {fault}"
    if file.escape != row["escape"]:
        return "the escape differs"
    warnings = [warning.message for warning in file.warnings if warning.url]
    if warnings != row["warnings"]:
        return "warnings differ"
    ours, theirs = own_stages(file), peer_stages(row)
    return "" if same(ours, theirs) else "stages differ"


def test_nodes_are_those_of_buildkit() -> None:
    failing = {row["id"]: why for row in rows() if (why := nodes_differ(row))}
    print(f"{len(rows()) - len(failing)} of {len(rows())}")
    assert not failing


def test_instructions_are_those_of_buildkit() -> None:
    failing = {row["id"]: why for row in rows() if (why := typed_differ(row))}
    print(f"{len(rows()) - len(failing)} of {len(rows())}")
    assert not failing


def test_every_instruction_but_the_refused_knows_its_lines() -> None:
    for row in rows():
        if row.get("parse_error") or row.get("instr_error"):
            continue
        file = parse((CASES / row["id"]).read_bytes())
        for each in file.instructions:
            line = file.source.lines[each.span.start_line - 1]
            assert line[each.span.start_column - 1 :].startswith(each.keyword)
