# LobbyLock: `make help` lists what can be made. Everything that is made lies in .venv/ and build/.

# The newest Python that works of those the pinned packages exist for; PYTHON=... picks another one.
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3.10 python3; do \
	"$$python" -c "import sys; sys.exit(sys.version_info < (3, 10))" 2>/dev/null && echo "$$python" && break; done)

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq install --no-input --retries 2
READY := .venv/ready build/micropython-lib/ready build/micropython-hashlib/ready build/ndeflib/ready

# hypothesis would keep its examples in the root.
export HYPOTHESIS_STORAGE_DIRECTORY := $(CURDIR)/build/hypothesis
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
# Settings of whoever calls must not reach the interpreters that are tested.
unexport MICROPYPATH MICROPYINSPECT PYTHONPATH PYTHONHOME PYTEST_ADDOPTS
# The tests start thousands of interpreters: each would compile the same sources anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup check fmt test fuzz demo image flash images deploy bench inject powercut listcut configurecut updatecut consoleflood visits blesweep forgeries soak screenshots clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Install the pinned packages into .venv/ and build/ (the others do it when needed)
	@:

check: $(READY) ## Check format, lint, types, imports and sizes, and cross-compile every board file
	@$(BIN)/python -m checks

fmt: $(READY) ## Format the sources, repair what lint can, and write package.json anew
	@$(BIN)/ruff check --quiet --fix-only
	@$(BIN)/ruff format --quiet
	@$(BIN)/python tools/package_index.py

test: $(READY) ## Run the tests; RUN_SLOW=1 adds the slow ones
	@sh tools/system_packages.sh mosquitto valgrind chromium
	@$(BIN)/pytest -n 4 --dist worksteal $(if $(RUN_SLOW),,-m "not slow")

fuzz: $(READY) ## Throw wrong input at every parser on both interpreters; N=... inputs each, 1,000,000 if not given
	@$(BIN)/python -m fuzz $(if $(N),--inputs $(N))

demo: $(READY) ## Open the virtual door in the browser; TERMINAL=1 in the terminal; ONCE=1 plays a whole delivery by itself
	@$(BIN)/lobbylock demo $(if $(ONCE),--once) $(if $(TERMINAL),--terminal) $(if $(PORT),--port $(PORT))

screenshots: $(READY) ## Take the pictures of the page in docs/screenshots/: a minute
	@sh tools/system_packages.sh mosquitto chromium
	@$(BIN)/python tools/screenshots.py

image: $(READY) ## Make what a bare board is flashed with: FIRMWARE=... (official MicroPython), BOARD=... (lobbylock boards)
	@$(BIN)/lobbylock image $(if $(FIRMWARE),--firmware "$(FIRMWARE)") $(if $(BOARD),--board "$(BOARD)")

flash: $(READY) ## Turn the bare board at PORT=... into a lock: FIRMWARE=..., BOARD=...; FORCE=1 writes over a lock
	@$(BIN)/lobbylock flash $(if $(PORT),--port "$(PORT)") $(if $(FIRMWARE),--firmware "$(FIRMWARE)") \
		$(if $(BOARD),--board "$(BOARD)") $(if $(filter-out 0,$(FORCE)),--force) $(if $(filter-out 0,$(ERASE)),--erase)

deploy: $(READY) ## Put the working tree on the unclaimed board at PORT=...: changed files only; BOARD=... (lobbylock boards)
	@$(BIN)/lobbylock deploy $(if $(PORT),--port "$(PORT)") $(if $(BOARD),--board "$(BOARD)")

images: $(READY) ## Build images by every Python there is, and write them to mocked chips: some minutes
	@$(BIN)/pytest -q tests/image -m slow

bench: $(READY) ## Measure, show a table and write build/bench.json; ONLY=pages measures what has that in its name
	@$(BIN)/python tools/bench/run.py --out build/bench.json $(if $(ONLY),--only "$(ONLY)")

inject: $(READY) ## Fail at every place that a delivery comes by: a run of the board for each, half an hour
	@$(BIN)/python tests/inject/faultsweep.py $(if $(LATER),--later)

powercut: $(READY) ## Cut the power at every flash operation, five ways each, singly and in pairs: some minutes
	@$(BIN)/python tests/powercut

updatecut: $(READY) ## Cut the power at every flash operation of an update, and try versions that fail: ten minutes
	@$(BIN)/python tests/update
	@$(BIN)/pytest -q tests/update -m slow

listcut: $(READY) ## Cut the power at every flash operation while a list of revoked credentials is taken: a minute
	@$(BIN)/python tests/news

configurecut: $(READY) ## Cut the power at every flash operation of a board's configuration: some minutes
	@$(BIN)/python tests/install/configurecut.py

soak: $(READY) ## Publish 70,000 times, kill a lock 200 times behind a line that loses packets: a quarter of an hour
	@sh tools/system_packages.sh mosquitto
	@$(BIN)/python -m soak

consoleflood: $(READY) ## Send 100,000 random lines, cut the power at each step of claim and reset, count what a visitor waits
	@sh tools/system_packages.sh valgrind
	@$(BIN)/pytest -q -s -n 2 tests/console -m slow

visits: $(READY) ## Let 300 visitors come to a lock with little memory, each loading what serves them: some minutes
	@VISITS=300 $(BIN)/pytest -q -s --timeout=900 tests/scenario/test_memory.py -k visitors

blesweep: $(READY) ## Phones by Bluetooth in 2,000 disturbed streets, and one that goes after every chunk: some minutes
	@$(BIN)/pytest -q -n 2 tests/ble tests/scenario/test_ble.py tests/scenario/test_ble_memory.py -m slow

forgeries: $(READY) ## Forge the record ten thousand times with the lock in hand, and see each one named
	@$(BIN)/pytest -q -s tests/tools/test_forgeries.py -m slow

clean: ## Remove .venv/ and build/
	rm -rf .venv build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What setting up says goes to stderr: `make demo ONCE=1` writes JSON lines and nothing else to stdout.

# Only its absence makes the environment anew: the interpreter behind the link is older than any of our files.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.10 or newer found: install one, or name it with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10))" || \
		{ echo "$(PYTHON) is not Python 3.10 or newer: name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || \
		{ echo "$(PYTHON) cannot make environments: install its venv module (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)" >&2
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; exit 1; }

.venv/ready: requirements.txt requirements-page.txt requirements-dev.txt constraints.txt pyproject.toml | $(BIN)/python
	@echo "Installing the pinned packages" >&2
	@$(PIP) -r requirements-dev.txt -c constraints.txt && $(PIP) --no-deps -r requirements-page.txt && \
		$(PIP) --no-deps --no-build-isolation -e . || \
		{ echo "The packages could not be installed: is there a network? pip's own words are above." >&2; exit 1; }
	@touch $@

build/micropython-lib/ready: requirements-board.txt | .venv/ready
build/micropython-hashlib/ready: requirements-reference.txt | .venv/ready
build/micropython-lib/ready build/micropython-hashlib/ready:
	@echo "Installing $<" >&2
	@rm -rf $(@D) && mkdir -p $(@D)
	@$(BIN)/python tools/board_packages.py $(@D) $< >$(@D).log 2>&1 && ls $(@D)/*/*.py >/dev/null 2>&1 || \
		{ tail -n 20 $(@D).log >&2; echo "pipkin could not install $<: is there a network?" >&2; exit 1; }
	@touch $@

# Not in .venv: its package has the name of a module of ours.
build/ndeflib/ready: requirements-peer.txt | .venv/ready
	@echo "Installing $<" >&2
	@rm -rf $(@D)
	@$(PIP) --no-deps --target $(@D) -r $< || { echo "ndeflib could not be installed: is there a network?" >&2; exit 1; }
	@touch $@
