"""Each client pushes to and pulls from each server, open or closed, over TLS or not.

With LAMINA_DOCS set the outcomes are written to docs/interop.md (`make docs`).
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from bench.docker import DAEMON
from tests.interop.clients import CLIENTS
from tests.interop.servers import Server, debian, ours

from lamina.testing.images import image

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="podman and buildah keep images as root here"),
]

Serve = Callable[..., AbstractContextManager[Server]]
DOCS = Path(__file__).parents[2] / "docs/interop.md"
WAYS = [(login, tls) for login in ("open", "basic", "token") for tls in (False, True)]
ROWS: list[tuple[str, str, Serve, str, bool]] = [
    *(("lamina", client, ours, login, tls) for client in CLIENTS for login, tls in WAYS),
    *(("docker-registry", "lamina", debian, login, tls) for login, tls in WAYS[:4]),
]


@pytest.fixture(scope="session")
def outcomes() -> Iterator[dict[tuple[str, str, str], str]]:
    found: dict[tuple[str, str, str], str] = {}
    yield found
    if os.environ.get("LAMINA_DOCS"):
        DOCS.write_text(_page(found))


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """An image of three layers, in an OCI layout."""
    made = image({"/a": "1"}, {"/b": os.urandom(300_000)}, {"/a": None})
    path = tmp_path / "layout"
    from lamina.image.export import write_oci_dir

    write_oci_dir(made, [(made.root, ("latest",))], path)
    return path


@pytest.mark.parametrize(
    ("server", "client", "serve", "login", "tls"),
    ROWS,
    ids=[f"{row[0]}-{row[1]}-{row[3]}-{'tls' if row[4] else 'plain'}" for row in ROWS],
)
def test_what_is_pushed_comes_back(
    server: str,
    client: str,
    serve: Serve,
    login: str,
    tls: bool,
    layout: Path,
    tmp_path: Path,
    outcomes: dict[tuple[str, str, str], str],
) -> None:
    key = (server, client, f"{login}{', TLS' if tls else ''}")
    outcomes[key] = "fails"
    try:
        with serve(tmp_path, login=login, tls=tls) as running:
            place = tmp_path / "place"
            place.mkdir()
            CLIENTS[client](running, layout, place)
    except pytest.skip.Exception as reason:
        outcomes[key] = f"no: {reason}"
        raise
    outcomes[key] = "yes"


def _page(outcomes: dict[tuple[str, str, str], str]) -> str:
    ways = [f"{login}{', TLS' if tls else ''}" for login, tls in WAYS]
    lines = [
        "# Who pushes to whom, and pulls back the same",
        "",
        "Written by `make docs` from tests/interop, which run each exchange for real.",
        "Open: nobody logs in. Basic: a password. Token: a bearer token for each scope.",
        "docker-py asks a Docker daemon, which speaks to the registry.",
        "",
        f"| server | client | {' | '.join(ways)} |",
        f"| --- | --- | {' | '.join('---' for _ in ways)} |",
    ]
    for server, client in dict.fromkeys(key[:2] for key in outcomes):
        cells = [outcomes.get((server, client, way), "–") for way in ways]
        lines.append(f"| {server} | {client} | {' | '.join(cells)} |")
    lines += ["", f"Versions: {', '.join(_versions())}.", ""]
    return "\n".join(lines)


def _versions() -> list[str]:
    found = []
    for name in ("skopeo", "podman", "buildah", "docker-registry", DAEMON):
        if shutil.which(name):
            said = subprocess.run([name, "--version"], capture_output=True, text=True, check=False)
            words = said.stdout.split()
            version = next((word for word in words if word.strip("v")[:1].isdigit()), "?")
            found.append(f"{Path(name).name} {version.strip(',')}")
    for name in ("oras", "python-dxf", "docker"):
        found.append(f"{name} {importlib.metadata.version(name)}")
    return found
