"""A credential helper for tests: a real program that keeps secrets in a file."""

from __future__ import annotations

import os
from pathlib import Path

# Keeps everything in one file of JSON, as the real ones do elsewhere.
KEEPER = """#!/usr/bin/env python3
import json, os, sys
path = os.environ["KEPT"]
kept = json.load(open(path)) if os.path.exists(path) else {}
action, said = sys.argv[1], sys.stdin.read()
if action == "store":
    said = json.loads(said)
    kept[said["ServerURL"]] = said
elif action == "list":
    print(json.dumps({key: one["Username"] for key, one in kept.items()}))
elif said not in kept:
    print("credentials not found in native keychain")
    sys.exit(1)
elif action == "get":
    print(json.dumps(kept[said]))
else:
    del kept[said]
json.dump(kept, open(path, "w"))
"""


def install(directory: Path, suffix: str, script: str) -> dict[str, str]:
    """Put a helper into a directory, and the environment that it is found by."""
    path = directory / f"docker-credential-{suffix}"
    path.write_text(script)
    path.chmod(0o755)
    return {"PATH": f"{directory}:{os.environ['PATH']}", "KEPT": str(directory / "kept")}
