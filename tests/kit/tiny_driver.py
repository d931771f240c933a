"""The command line with a recipe of a few steps beside mnist1d's own: real children, tiny trainings."""

import sys

from evoarch.agent.cli import main
from evoarch.evaluators.task import Recipe
from evoarch.evaluators.tasks import mnist1d

mnist1d.RECIPES["tiny"] = Recipe("tiny", rate=0.02, steps=20, batch=32)

if __name__ == "__main__":
    sys.exit(main())
