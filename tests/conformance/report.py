"""Writes docs/conformance.md: how many real cases of each kind come out as the peers' did.

python -m tests.conformance.report docs/conformance.md
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

TESTS = Path(__file__).parents[1]
REASONS = TESTS / "conformance" / "reasons.txt"
HEAD = """# Conformance

Cases that others wrote, with the answers of the real peers: BuildKit, buildah, containerd.
A case counts as passed when Lamina's answer is equal: accepted or refused, nodes, files, config.
`make docs` writes this page; the same cases are tests in `tests/corpus` and `tests/conformance`.

| kind | passed | of |
| --- | --- | --- |
"""


def modules() -> list[ModuleType]:
    """Every test module that keeps a score."""
    found = []
    paths = (*TESTS.glob("corpus/test_*.py"), *TESTS.glob("conformance/test_*.py"))
    for path in sorted(paths):
        if "\ndef score(" not in path.read_text():
            continue
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        found.append(module)
    return found


def main(target: Path) -> None:
    """Score every kind and write the page."""
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]
    reasons = dict(line.split(": ", 1) for line in REASONS.read_text().splitlines() if ": " in line)
    rows, failures, pages = [], [], []
    for module in modules():
        for kind, passed, total, failing in module.score():
            print(f"{kind}: {passed} of {total}", flush=True)
            rows.append(f"| {kind} | {passed} | {total} |")
            failures += [
                f"- `{case}` ({kind}): {reasons.get(case, 'no reason known yet')}"
                for case in failing
            ]
        if hasattr(module, "page") and module.score():
            pages.append(module.page())
    text = HEAD + "\n".join(rows) + "\n"
    if failures:
        text += "\n## Those that differ\n\n" + "\n".join(failures) + "\n"
    for page in pages:
        text += f"\n{page}\n"
    target.write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
