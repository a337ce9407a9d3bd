#!/usr/bin/env python3
"""Builds one case of the shared corpus of real builds with the `lamina` command.

    adapter.py CASE_DIR OUT_DIR

As the corpus' run.py calls it: CASE_DIR holds expect.json and the context; a build that succeeds
leaves OUT_DIR/rootfs.tar and OUT_DIR/config.json, and the exit status is the build's. Each case
gets a store of its own, linked from one that is prepared once in LAMINA_CASES (a directory; by
default one beside the other temporary files). LAMINA names the command, if it is not in PATH.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

CORPUS = Path(__file__).resolve().parents[3] / "shared/cases/semantics"
BASES = ("busybox", "alpine")
WARM_UP = "".join(f"FROM {base} AS {base}\nRUN true\n" for base in BASES) + (
    "FROM scratch\n" + "".join(f"COPY --from={base} /bin/sh /{base}\n" for base in BASES)
)


def lamina(root: Path, *arguments: str, stdin: bytes | None = None) -> int:
    """Run the command on the store `root`; its exit status."""
    command = os.environ.get("LAMINA") or shutil.which("lamina")
    start = [command] if command else [sys.executable, "-m", "lamina"]
    environment = {**os.environ, "LAMINA_ROOT": str(root)}
    return subprocess.run([*start, *arguments], env=environment, input=stdin).returncode


def prepared(place: Path) -> Path:
    """A store with the base images loaded and unpacked; made by whoever comes first."""
    place.mkdir(parents=True, exist_ok=True)
    store = place / "store"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not store.exists():
            draft = place / "draft"
            shutil.rmtree(draft, ignore_errors=True)
            for base in BASES:
                if lamina(draft, "load", "-q", "-i", str(CORPUS / "bases" / base)):
                    raise SystemExit(f"cannot load {base}")
            lamina(draft, "build", "-q", "-", stdin=WARM_UP.encode())
            draft.rename(store)
    return store


def own_store(store: Path, place: Path) -> Path:
    """A store like `store`: files that are never written in place are linked."""
    subprocess.run(["cp", "-al", store, place], check=True)
    for name in store.glob("lamina.db*"):
        (place / name.name).unlink()
        shutil.copy2(name, place / name.name)
    return place


def build(root: Path, case: Path, out: Path) -> int:
    """Build the case as its expect.json says, into two archives."""
    wanted = json.loads((case / "expect.json").read_text())
    arguments = ["build", "--no-cache", "--progress=plain", "-f", str(case / wanted["dockerfile"])]
    arguments += ["-o", f"type=oci,dest={out}/oci.tar", "-o", f"type=tar,dest={out}/rootfs.tar"]
    for name, value in wanted["build_args"].items():
        arguments += ["--build-arg", f"{name}={value}"]
    for name, value in wanted["labels"].items():
        arguments += ["--label", f"{name}={value}"]
    for option in ("target", "platform"):
        if wanted.get(option):
            arguments += [f"--{option}", wanted[option]]
    hosts = wanted.get("add_hosts") or []
    for host in hosts.split(",") if isinstance(hosts, str) else hosts:
        arguments += ["--add-host", host.replace("=", ":", 1)]
    for name, value in wanted["named_contexts"].items():
        arguments += ["--build-context", f"{name}={case / value}"]
    for name, value in (wanted.get("secrets") or {}).items():
        arguments += ["--secret", f"id={name},src={case / value}"]
    return lamina(root, *arguments, str(case / wanted["context"]))


def config_of(archive: Path) -> object:
    """The config of the only image in an OCI archive."""
    with tarfile.open(archive) as tar:

        def document(name: str) -> dict[str, object]:
            file = tar.extractfile(name)
            assert file is not None
            found = json.load(file)
            assert isinstance(found, dict)
            return found

        found = document("index.json")
        while "manifests" in found:
            found = document(_blob(found["manifests"][0]))  # type: ignore[index]
        return document(_blob(found["config"]))


def _blob(descriptor: object) -> str:
    assert isinstance(descriptor, dict)
    return "blobs/" + str(descriptor["digest"]).replace(":", "/")


def main() -> int:
    case, out = (Path(argument) for argument in sys.argv[1:3])
    shared = os.environ.get("LAMINA_CASES") or Path(tempfile.gettempdir()) / "lamina-cases"
    root = own_store(prepared(Path(shared)), out / "store")
    try:
        status = build(root, case, out)
        if status == 0:
            (out / "config.json").write_text(json.dumps(config_of(out / "oci.tar")))
        return status
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    sys.exit(main())
