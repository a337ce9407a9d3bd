"""The OCI's own conformance suite of the distribution specification, against `lamina serve`.

LAMINA_CONFORMANCE is the path of its program: what `go build` makes in the folder `conformance`
of the specification's repository.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import bcrypt
import pytest
from tests.interop.servers import PASSWORD, USER, certified

PROGRAM = shutil.which(os.environ.get("LAMINA_CONFORMANCE", ""))
EVERYTHING = {"OCI_VERSION": "dev", "OCI_DATA_SPARSE": "true"}  # what is off unless one asks
WAYS = [
    ("none", False, 1),
    ("basic", False, 1),
    ("token", False, 1),
    ("token", True, 1),
    ("none", False, 3),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="LAMINA_CONFORMANCE is not the path of a program"),
]


@contextmanager
def serving(place: Path, settings: str) -> Iterator[str]:
    """`lamina serve` with `settings` of TOML; its address."""
    (place / "serve.toml").write_text(settings)
    command = [sys.executable, "-m", "lamina", "serve", "--config", str(place / "serve.toml")]
    environment = {**os.environ, "LAMINA_ROOT": str(place / "lamina")}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            yield str(json.loads(line)["address"])
        finally:
            process.terminate()
            assert process.wait(60) == 0


def judged(place: Path, **environment: str) -> ElementTree.Element:
    """What the suite says: its JUnit report's one suite."""
    assert PROGRAM is not None
    done = subprocess.run(
        [Path(PROGRAM).absolute()],
        cwd=place,  # it would take its settings from a file that lies about
        env={"OCI_RESULTS_DIR": str(place / "results"), **EVERYTHING, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    report = place / "results/junit.xml"
    assert report.exists(), done.stderr
    found = ElementTree.parse(report).find("testsuite")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("login", "tls", "workers"),
    WAYS,
    ids=[f"{login}-{'tls' if tls else 'plain'}-{workers}" for login, tls, workers in WAYS],
)
def test_no_test_of_the_suite_fails(login: str, tls: bool, workers: int, tmp_path: Path) -> None:
    settings = ['server.address = "127.0.0.1:0"', f"server.workers = {workers}"]
    settings += ["registry.sparse = true", f'auth.mode = "{login}"']
    environment = {"OCI_TLS": "disabled"}
    if login != "none":
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        (tmp_path / "users").write_text(f"{USER}:{hashed}\n")
        settings.append('auth.htpasswd = "users"')
        environment |= {"OCI_USERNAME": USER, "OCI_PASSWORD": PASSWORD}
    if tls:
        pair = certified(tmp_path / "certificates")
        settings.append(
            f'server.tls = {{ certificate = "{pair.certificate}", key = "{pair.key}" }}'
        )
        environment |= {"OCI_TLS": "enabled", "SSL_CERT_FILE": str(pair.certificate)}
    with serving(tmp_path, "\n".join(settings)) as address:
        suite = judged(tmp_path, OCI_REGISTRY=address, **environment)
    told = [
        f"{case.get('name')}: {case.get('status')}: {case.findtext('system-out')}"
        for case in suite.iter("testcase")
        if case.get("status") != "passed"
    ]
    counts = {name: int(suite.get(name, "0")) for name in ("failures", "errors", "skipped")}
    assert counts == {"failures": 0, "errors": 0, "skipped": 0}, "\n".join(told)
    assert int(suite.get("tests", "0")) > int(suite.get("disabled", "0"))
