from __future__ import annotations

import pytest

from lamina.cli.template.evaluate import execute
from lamina.cli.template.syntax import TemplateError, parse
from lamina.cli.template.values import Map, Value

DATA: dict[str, Value] = {
    "ID": "abc",
    "Size": 12,
    "Big": True,
    "None": None,
    "List": ["x", "y"],
    "Empty": [],
    "Labels": Map(a="1", b="2"),
    "Config": {"User": "root", "Env": ["A=1"]},
    "Label": lambda name: f"<{name}>",
}

CASES = [
    ("plain", "plain"),
    ("{{.ID}}", "abc"),
    ("{{ .ID }}", "abc"),
    ("{{.Config.User}}", "root"),
    ("{{$.ID}}", "abc"),
    ("a {{- .ID -}} b", "aabcb"),
    ("a {{/* note }} */}} b", "a  b"),
    ("{{.List}}", "[x y]"),
    ("{{.Labels}}", "map[a:1 b:2]"),
    ("{{.None}}", "<no value>"),
    ("{{.Big}} {{.Size}}", "true 12"),
    ("{{json .List}}", '["x","y"]'),
    ("{{json .Config}}", '{"User":"root","Env":["A=1"]}'),
    ("{{.List | json}}", '["x","y"]'),
    ('{{join .List ", "}}', "x, y"),
    ('{{split "a,b" ","}}', "[a b]"),
    ("{{title .ID}} {{upper .ID}} {{lower `ABC`}}", "Abc ABC abc"),
    ("[{{pad .ID 1 2}}]", "[ abc  ]"),
    ("{{truncate .ID 2}}", "ab"),
    ("{{len .List}} {{len .ID}}", "2 3"),
    ("{{index .List 1}}", "y"),
    ('{{index .Labels "a"}}', "1"),
    ('{{index .Labels "zz"}}', ""),
    ("{{.Labels.zz}}", ""),
    ('{{index .Config "Env" 0}}', "A=1"),
    ('{{.Label "k"}}', "<k>"),
    ("{{slice .ID 1}} {{slice .ID 0 1}}", "bc a"),
    ("{{println .ID 1}}", "abc 1\n"),
    ("{{print .ID 1 2}}", "abc1 2"),
    (
        '{{printf "%-5s|%5d|%05d|%q|%t|%v|%%" .ID 1 2 .ID .Big .List}}',
        'abc  |    1|00002|"abc"|true|[x y]|%',
    ),
    ('{{.ID | printf "%s-%s" "x"}}', "x-abc"),
    ("{{if .ID}}yes{{else}}no{{end}}", "yes"),
    ("{{if .Empty}}yes{{else}}no{{end}}", "no"),
    ("{{if .None}}a{{else if .Big}}b{{else}}c{{end}}", "b"),
    ("{{if and .ID (not .Empty)}}x{{end}}", "x"),
    ('{{or "" .ID}} {{and .Empty .ID}}', "abc []"),
    ('{{eq .ID "abc"}} {{ne .Size 12}} {{lt .Size 13}} {{ge "b" "a"}}', "true false true true"),
    ('{{eq .ID "x" "abc"}}', "true"),
    ("{{range .List}}<{{.}}>{{end}}", "<x><y>"),
    ("{{range $i, $e := .List}}{{$i}}{{$e}} {{end}}", "0x 1y "),
    ("{{range $e := .List}}{{$e}}{{$.ID}}{{end}}", "xabcyabc"),
    ("{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "a=1;b=2;"),
    ("{{range .Empty}}x{{else}}none{{end}}", "none"),
    ('{{range .List}}{{if eq . "y"}}{{break}}{{end}}{{.}}{{end}}', "x"),
    ('{{range .List}}{{if eq . "x"}}{{continue}}{{end}}{{.}}{{end}}', "y"),
    ("{{with .Config}}{{.User}}{{end}}", "root"),
    ("{{with .None}}x{{else}}y{{end}}", "y"),
    ("{{with $x := .ID}}{{$x}}{{end}}", "abc"),
    ("{{$x := 1}}{{range .List}}{{$x = 2}}{{end}}{{$x}}", "2"),
    ("{{(index .List 0)}}", "x"),
    ('{{"a\\tb"}}', "a\tb"),
    ("{{`raw\\n`}}", "raw\\n"),
    ("{{0x10}} {{-3}} {{1.5}}", "16 -3 1.5"),
]


@pytest.mark.parametrize(("source", "expected"), CASES, ids=[source for source, _ in CASES])
def test_renders_as_go_does(source: str, expected: str) -> None:
    assert execute(parse(source), DATA) == expected


REFUSED = [
    ("{{.ID", 1, 'has no "}}"'),
    ("{{}}", 3, "nothing between"),
    ("{{.Idd}}", 3, 'did you mean ".ID"'),
    ("x {{.ID.More}}", 5, '".ID" is a string'),
    ("{{uper .ID}}", 3, 'did you mean "upper"'),
    ("{{range .List}}", 3, 'has no "end"'),
    ("{{end}}", 3, "without an"),
    ("{{if .ID}}{{else}}{{else}}{{end}}", 21, 'a second "else"'),
    ("{{index .List 9}}", 3, "out of range"),
    ('{{index .List "a"}}', 3, "indexed by a number"),
    ("{{upper 3}}", 3, "cannot take a number"),
    ('{{"abc}}', 3, "unterminated string"),
    ("{{.ID .ID}}", 3, "takes no arguments"),
    ("{{$y}}", 3, 'undefined variable "$y"'),
    ('{{eq 1 "a"}}', 3, "incompatible types"),
    ("{{range .Size | print}}{{end}}", 9, "cannot go over a string"),
    ('{{template "x"}}', 3, "not supported"),
    ("{{break}}", 1, "outside of"),
    ("{{.ID | }}", 3, "a value is missing"),
    ("{{(.ID}}", 3, 'has no ")"'),
    ("{{if .ID}}{{.ID ~}}{{end}}", 17, 'unexpected "~"'),
]


@pytest.mark.parametrize(
    ("source", "column", "message"), REFUSED, ids=[source for source, _, _ in REFUSED]
)
def test_says_where_and_why(source: str, column: int, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        execute(parse(source), DATA)
    assert message in caught.value.message
    if message != "a value is missing":
        assert f"line 1, column {column}:" in caught.value.message


def test_counts_lines() -> None:
    with pytest.raises(TemplateError, match="line 2, column 2"):
        parse("a\n {{x")
    with pytest.raises(TemplateError, match="line 2, column 5"):
        execute(parse("a\n  {{x}}"), {})
