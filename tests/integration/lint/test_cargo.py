"""What cargo is said to want of a directory, asked of cargo itself; nothing is downloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lamina.lint import Facts, Settings
from lamina.lint.fix import fix

CARGO = shutil.which("cargo") or shutil.which("cargo", path=str(Path.home() / ".cargo/bin"))
pytestmark = pytest.mark.skipif(CARGO is None, reason="cargo is not installed")

PACKAGE = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
TOLD = '[[bin]]\nname = "app"\npath = "src/app.rs"\n[[test]]\nname = "t"\npath = "tests/t.rs"\n'


def mended(manifest: str, *sources: str) -> str:
    """The RUN that fetches above the sources."""
    files: dict[str, str | None] = {"Cargo.toml": manifest, **dict.fromkeys(sources, "")}
    text = "FROM rust:1\nWORKDIR /app\nCOPY . .\nRUN cargo fetch\n"
    facts = Facts(has_context=True, files=files)
    changed, count = fix(text, settings=Settings(only=frozenset(("LM1002",))), facts=facts)
    assert count == 1
    (run,) = [line for line in changed.splitlines() if line.startswith("RUN ")]
    return run.removeprefix("RUN ")


def fetched(place: Path, command: str) -> int:
    assert CARGO is not None
    path = f"{Path(CARGO).parent}:{os.environ['PATH']}"
    home = place.parent / "cargo"
    env = {**os.environ, "PATH": path, "CARGO_HOME": str(home), "CARGO_NET_OFFLINE": "true"}
    return subprocess.run(command, shell=True, cwd=place, env=env, capture_output=True).returncode


@pytest.mark.parametrize(
    ("manifest", "sources"),
    [
        (PACKAGE, ("src/main.rs",)),
        (PACKAGE, ("src/lib.rs", "src/main.rs")),
        (PACKAGE + TOLD, ("src/app.rs",)),
        (PACKAGE + '[lib]\npath = "lib.rs"\n', ("lib.rs",)),
    ],
)
def test_the_lists_alone_are_enough(
    tmp_path: Path, manifest: str, sources: tuple[str, ...]
) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/Cargo.toml").write_text(manifest)
    assert fetched(tmp_path / "app", mended(manifest, *sources)) == 0
    assert sorted(os.listdir(tmp_path / "app")) == ["Cargo.lock", "Cargo.toml"]


def test_without_a_target_cargo_refuses(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/Cargo.toml").write_text(PACKAGE)
    assert fetched(tmp_path / "app", "cargo fetch") != 0
