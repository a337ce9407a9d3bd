"""The floor plan holds: strata, and no work at import on the path of every command."""

from __future__ import annotations

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

HEAVY = (
    *("asyncio", "dataclasses", "email", "hashlib", "http", "inspect", "rich", "shutil"),
    *("socket", "ssl", "subprocess", "tarfile", "tempfile", "typing", "urllib3"),
)


def test_arrows_only_point_down() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_no_test_is_where_nobody_looks(request: pytest.FixtureRequest) -> None:
    """pytest passes by directories of some names, "build" among them, unless it is told to look."""
    skipped = request.config.getini("norecursedirs")
    for path in (ROOT / "tests").rglob("test_*.py"):
        for folder in path.relative_to(ROOT).parent.parts:
            assert not any(fnmatch(folder, pattern) for pattern in skipped), path


def test_no_statement_numbers_what_it_is_given_in_order() -> None:
    """sqlite3 of Python 3.14 refuses a sequence for "?1", which it takes for a name."""
    for path in (ROOT / "src").rglob("*.py"):
        assert not re.search(r"[ (=>]\?\d", path.read_text()), path


def test_the_version_imports_almost_nothing() -> None:
    script = (
        "import sys; before = set(sys.modules); from lamina.cli.main import run;"
        "run(['--version']); print(*sorted(set(sys.modules) - before))"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    imported = out.stdout.splitlines()[-1].split()
    assert set(imported) <= {"__future__", "lamina", "lamina.cli", "lamina.cli.main"}


@pytest.mark.parametrize(
    "modules",
    [
        "lamina.engine.building",
        "lamina.cli.containers, lamina.run.lifecycle, lamina.run.create, lamina.run.monitor",
        "lamina.cli.container_life, lamina.cli.container_files, lamina.cli.container_output",
        "lamina.runtime.native",
        "lamina.cli.images, lamina.engine.local",
    ],
)
def test_a_command_imports_nothing_heavy(modules: str) -> None:
    script = f"import sys; before = {{*sys.modules}}; import {modules}"
    script += "; print(*{*sys.modules} - before)"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert sorted(set(out.stdout.split()) & set(HEAVY)) == []


def test_a_container_s_run_needs_no_paths_and_no_expressions() -> None:
    script = (
        "import sys; before = {*sys.modules}; import lamina.cli.session, lamina.cli.containers,"
        "lamina.run.lifecycle, lamina.run.create, lamina.run.monitor, lamina.runtime.native,"
        "lamina.runtime.fork, lamina.engine.local, lamina.snapshot, lamina.store, lamina.run.exec;"
        "print(*{*sys.modules} - before)"
    )
    words = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {script}"]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert sorted({"datetime", "json", "pathlib", "re", "sqlite3"} & set(out)) == []


@pytest.mark.parametrize(
    ("modules", "left_out"),
    [
        ("lamina.build.execute", {"pathlib", "re", "secrets", "threading", "urllib"}),
        ("lamina.build.command, lamina.runtime.native", {"pathlib", "re", "secrets", "urllib"}),
    ],
    ids=["COPY", "RUN"],
)
def test_a_step_of_a_build_imports_little(modules: str, left_out: set[str]) -> None:
    script = (
        "import sys; before = {*sys.modules}; import lamina.cli.session, lamina.cli.again,"
        f"lamina.cli.build, lamina.engine.building, lamina.snapshot.erofs, {modules};"
        "print(*{*sys.modules} - before)"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(out.stdout.split()) & left_out == set()
