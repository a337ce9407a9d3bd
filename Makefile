# make demo   a Debian image with the AWS command line: built, looked into, run, rebuilt
# make test   every test, on the real kernel and beside the real peers
# make check  the linters, the types, the strata, and the tests that take seconds
# make bench  Lamina beside the tools that one would use instead
# Each gets what it needs first: .venv, and Debian packages where they are missing.

BROWSER = chromium chromium-driver
PEERS = attr skopeo umoci buildah podman crun runc mmdebstrap docker-registry
BENCH = $(PEERS) wrk apache2-utils curl docker.io openssl isal
PYTHON = .venv/bin/python
JOBS ?= 2
# Tests start Python a thousand times: what was compiled once need not be again.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test quick check bench docs clean

.venv/ready: pyproject.toml scripts/setup
	@scripts/setup venv

demo: .venv/ready
	@scripts/setup packages mmdebstrap
	@PATH="$(CURDIR)/.venv/bin:$$PATH" examples/tiny/demo
	@PATH="$(CURDIR)/.venv/bin:$$PATH" examples/aws-cli/demo

test: .venv/ready
	@scripts/setup packages $(PEERS) $(BROWSER)
	$(PYTHON) -m pytest -n $(JOBS) --dist loadfile -m "" tests

quick: .venv/ready
	$(PYTHON) -m pytest -n $(JOBS) --dist loadfile tests

# The types are checked beside the tests: that takes one processor, and ten seconds at first.
check: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports --no-cache
	@.venv/bin/mypy & types=$$!; \
	$(PYTHON) -m pytest -n $(JOBS) --dist worksteal tests/unit tests/test_architecture.py; \
	tests=$$?; wait $$types && exit $$tests

bench: .venv/ready
	@scripts/setup packages $(BENCH)
	$(PYTHON) -m bench

docs: .venv/ready
	@scripts/setup packages $(PEERS)
	$(PYTHON) scripts/rules docs/rules.md
	$(PYTHON) -m tests.conformance.report docs/conformance.md
	LAMINA_DOCS=1 $(PYTHON) -m pytest -m "" tests/interop

clean:
	rm -rf .venv build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache
