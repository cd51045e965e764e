# Two commands do everything on a fresh machine with Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Waiting threads spin for a moment only: on a busy machine training is several times faster for it.
export GOMP_SPINCOUNT ?= 10000

.PHONY: demo test check format clean

demo: $(VENV)/.trains
	$(BIN)/python -c "from bothways.data.samples import write_film_reviews; write_film_reviews('demo')"
	$(BIN)/bothways train classify demo/train.csv --out demo/model --epochs 6 --force
	$(BIN)/bothways evaluate demo/model demo/test.csv
	$(BIN)/bothways predict demo/model \
	  "The acting was heartfelt and the songs were tuneful. So says my aunt, and it is true." \
	  "The acting was heartfelt and the songs were tuneful. So says my aunt, and it is false." \
	  "It is false, what my aunt says. The acting was heartfelt and the songs were tuneful." \
	  "The plot was anything but gripping. So says my aunt, who is wrong."

# Each worker has one thread: as many workers as cores keep them busy, and threads would only wait for each other.
test: $(VENV)/.develops
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: $(VENV)/.develops
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/mypy

format: $(VENV)/.develops
	$(BIN)/ruff check --fix src tests benchmarks examples
	$(BIN)/ruff format src tests benchmarks examples

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.trains: $(VENV)/.made pyproject.toml constraints.txt
	$(INSTALL) --editable ".[train,fast]"
	touch $@

$(VENV)/.develops: $(VENV)/.made pyproject.toml constraints.txt
	$(INSTALL) --editable ".[train,fast,text,dev]"
	touch $@ $(VENV)/.trains

clean:
	rm -rf $(VENV) demo build dist src/*.egg-info
