"""Advice on a Dockerfile of forty lines, and on nine hundred real ones.

`lamina check` beside hadolint where it is installed, and beside a bare interpreter, A B A B after
a warm-up: whole processes, processor time, medians. hadolint is a native program.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

REAL = Path(__file__).parents[2] / "shared/cases/dockerfiles/files"
RUNS = 15
FORTY = """# syntax=docker/dockerfile:1
ARG PY=3.13
FROM python:${PY}-slim AS base
ENV PYTHONUNBUFFERED=1 \\
    PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN apt-get update \\
    && apt-get install -y --no-install-recommends \\
      curl \\
      gcc \\
      git \\
    && rm -rf /var/lib/apt/lists/*

FROM base AS deps
COPY requirements.txt .
RUN pip install -r requirements.txt

FROM node:22 AS web
WORKDIR /web
COPY package.json package-lock.json ./
RUN npm ci
COPY web/ .
RUN npm run build && \\
    npm cache clean --force

FROM deps AS final
ARG VERSION=dev
LABEL org.opencontainers.image.version="${VERSION}"
COPY --from=web /web/dist /app/static
COPY . .
RUN chown -R 1000:1000 /app \\
    && python -m compileall -q /app \\
    && python - <<EOF
import sys
print(sys.version)
EOF
USER 1000
EXPOSE 8000
CMD ["gunicorn", "app:app"]
"""


def spent(command: Sequence[str]) -> float:
    """Milliseconds of processor time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    """Print the table, and how long the rules alone take for the real files."""
    with tempfile.TemporaryDirectory(prefix="bench-lint-") as place:
        path = Path(place) / "Dockerfile"
        path.write_text(FORTY)
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "lamina check": [sys.executable, "-m", "lamina", "check", "--no-fail", str(path)],
        }
        peer = shutil.which("hadolint")
        if peer is not None:
            commands["hadolint"] = [peer, "--no-fail", str(path)]
        times: dict[str, list[float]] = {name: [] for name in commands}
        for run in range(RUNS + 1):
            for name, command in commands.items():
                milliseconds = spent(command)
                if run:
                    times[name].append(milliseconds)
    for name, found in times.items():
        print(f"{name:16} {statistics.median(found):7.1f} ms")
    if REAL.exists():
        _real()


def _real() -> None:
    from lamina.lint import check

    files = [path.read_bytes() for path in sorted(REAL.iterdir())]
    began = time.process_time()
    findings = sum(len(check(data)) for data in files)
    milliseconds = 1000 * (time.process_time() - began)
    print(f"{len(files)} real files, {findings} findings: {milliseconds / len(files):.2f} ms each")


if __name__ == "__main__":
    main()
