from __future__ import annotations

import json
import subprocess
import sys

from lamina import late


def test_they_are_the_modules() -> None:
    assert late.json.loads('{"a": [1]}') == {"a": [1]}
    assert late.json.JSONDecodeError is json.JSONDecodeError
    assert late.re.fullmatch("a+", "aa")


def said(script: str) -> str:
    """What a new interpreter prints, which has imported nothing of ours."""
    words = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {script}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_they_are_imported_at_their_first_use() -> None:
    seen = "print(sorted({'json', 're'} & {*sys.modules}))"
    assert said(f"from lamina.late import json, re; {seen}") == "[]\n"
    assert said(f"from lamina.late import re; re.escape('a'); {seen}") == "['re']\n"


def test_what_is_wrong_is_told_at_the_first_use_too() -> None:
    script = "from lamina.late import json\ntry: json.loads('[1,]')\nexcept ValueError: print(1)"
    assert said(f"exec({script!r})") == "1\n"
