# make serve and make test set up all that they need: a virtual environment in .venv with the pinned dependencies.

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
BENCH := $(VENV)/.bench
MEASURE := $(foreach name,ROUNDS SECONDS SIZES ONLY WORKERS THREADS NAME,$(if $($(name)),--$(shell echo $(name) | tr A-Z a-z) "$($(name))"))

.PHONY: help serve test test-full test-faults faults soak bench bench-peers bench-limits bench-worst bench-load bench-instructions lint lock clean

# List these targets, as make alone does.
help:
	@awk -F: '/^# / { says = substr($$0, 3) } /^[a-z-]+:/ { printf "make %-18s  %s\n", $$1, says } !/^#/ { says = "" }' Makefile

# Serve examples/customers on http://127.0.0.1:8000 until Ctrl-C.
serve: $(READY)
	@$(VENV)/bin/struere-local serve --project examples/customers --log-requests on

# Run the tests.
test: $(READY)
	$(VENV)/bin/python -m pytest --numprocesses 2 --dist loadfile --ignore tests/faults

# Run the tests with twenty times as many random examples.
test-full: $(READY)
	$(VENV)/bin/python -m pytest --numprocesses 2 --dist loadfile --ignore tests/faults --hypothesis-profile=full

# Test kills, power cuts, full disks and other faults, in a few minutes.
test-faults: $(READY)
	$(VENV)/bin/python -m pytest tests/faults --numprocesses 2 --dist loadfile

# Test faults at length, for about an hour.
faults: $(READY)
	$(VENV)/bin/python -m pytest tests/faults --hypothesis-profile=full

# Watch memory, files and failures for an hour of mixed work at 100 requests a second.
soak: $(READY)
	$(VENV)/bin/python -m tests.faults.soak

# Measure beside bare Flask and raw SQLite; ROUNDS, SECONDS, SIZES and ONLY say how much. See benchmarks/README.md.
bench: $(BENCH)
	$(VENV)/bin/python -m benchmarks $(MEASURE)

# Measure beside what people would use instead, each installed below benchmarks/.cache; needs npm.
bench-peers: $(READY)
	$(VENV)/bin/python -m benchmarks.peers $(MEASURE)

# Measure what the rate limits cost, as a ratio; needs wrk.
bench-limits: $(READY)
	$(VENV)/bin/python -m benchmarks.limits $(MEASURE)

# Measure what others feel of one bad query among a million entities.
bench-worst: $(READY)
	$(VENV)/bin/python -m benchmarks.worst $(MEASURE)

# Measure what an import costs beside raw apsw, as a ratio; SIZES and ROUNDS say how much.
bench-load: $(READY)
	$(VENV)/bin/python -m benchmarks.imports $(MEASURE)

# Count the Python instructions of a request beside bare Flask, the same on every machine, however noisy.
bench-instructions: $(READY)
	$(VENV)/bin/python -m benchmarks.instructions

# Check style and types.
lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

$(READY): requirements.lock setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "struere-local needs Python 3.11 or newer; name one with make PYTHON=python3.12")'
	@echo "Setting up $(VENV) (once)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

# The plot alone needs matplotlib.
$(BENCH): $(READY)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[bench]'
	@touch $(BENCH)

# Write the newest versions that setup.cfg allows to requirements.lock.
lock:
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade 'setuptools>=77' --editable '.[test]'
	$(VENV)/bin/pip freeze --all --exclude-editable --exclude pip > requirements.lock

# Remove what make has set up.
clean:
	rm -rf $(VENV) build *.egg-info
