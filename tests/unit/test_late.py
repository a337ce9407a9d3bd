from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import late

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES, st.booleans())
def test_what_is_written_is_what_json_writes(value: object, ascii_only: bool) -> None:
    compact = {"ensure_ascii": ascii_only, "separators": (",", ":")}
    assert late.json.dumps(value) == json.dumps(value)
    assert late.json.dumps(value, **compact) == json.dumps(value, **compact)


@given(VALUES)
def test_what_is_read_is_what_json_reads(value: object) -> None:
    text = f" {json.dumps(value)}\n"
    assert repr(late.json.loads(text)) == repr(json.loads(text))
    assert repr(late.json.loads(text.encode())) == repr(json.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "{", "[1,]", '{"a" 1}', "1 2", "nul", "\ufeff1", '"\n"', "[" * 3, "'a'"),
        "1" * 5000,
    ],
)
def test_what_is_wrong_is_told_as_json_tells_it(text: str) -> None:
    with pytest.raises(ValueError) as expected:
        json.loads(text)
    with pytest.raises(ValueError) as found:
        late.json.loads(text)
    assert (type(found.value), str(found.value)) == (type(expected.value), str(expected.value))


def test_hooks_are_asked() -> None:
    pairs = late.json.loads('{"a": 1, "a": NaN}', object_pairs_hook=list, parse_constant=str)
    assert pairs == [("a", 1), ("a", "NaN")]


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(TypeError, match="Object of type set is not JSON serializable"):
        late.json.dumps([{1}])
    ring: list[object] = []
    ring.append(ring)
    with pytest.raises(ValueError, match="Circular"):
        late.json.dumps(ring)


def test_the_rest_is_that_of_the_modules() -> None:
    assert late.json.dumps({"b": 1, "a": 2}, indent=1, sort_keys=True) == '{\n "a": 2,\n "b": 1\n}'
    assert late.json.JSONDecodeError is json.JSONDecodeError
    assert late.re.fullmatch("a+", "aa")


def test_using_them_a_little_imports_neither() -> None:
    script = (
        "import sys; from lamina.late import json, re; json.loads(json.dumps([1.5, {'a': None}]));"
        "print({'json', 're'} & {*sys.modules})"
    )
    words = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {script}"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "set()\n"
