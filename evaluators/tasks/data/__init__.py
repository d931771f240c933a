"""What a task of a user's own data needs not say itself: recipes, baselines for any shape, loss, ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

from evoarch.evaluators.task import Recipe, Splits

RECIPES = {
    "fast": Recipe("fast", rate=0.01, steps=400, batch=64),
    "full": Recipe("full", rate=0.01, steps=4000, batch=64),
}
"""`fast` is for searching, `full` is what `confirm` trains with. The peak rate was not tuned."""

BASELINES: Mapping[int, Mapping[str, str]] = {
    1: {"mlp": "mlp", "residual_mlp": "residual_mlp", "conv": "conv_features"},
    2: {"mlp": "mlp", "conv": "conv_sequence"},
    3: {"mlp": "mlp", "conv": "conv_image"},
}
"""Names of baselines and their files, by the number of an input's axes: features, (channels, length) or
(channels, height, width). Inputs of more axes get the first two of one axis, which flatten."""


class DataTask:
    """A base for tasks of your own data: say `offers` and `splits`, and change what does not suit you.

    `offers`: `input_shape` (one example's, without the batch) and `num_classes` for a classification or
    `num_outputs` for a regression. `fit_file`: a file of your own training loop, relative to the one that
    the class stands in ("": the common loop). docs/own-task.md has a complete example.
    """

    fit_file: str = ""
    baselines: Mapping[str, str] = {}
    recipes: Mapping[str, Recipe] = RECIPES

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def offers(self) -> Mapping[str, object]:
        raise NotImplementedError(f"{self.name}: expected offers, e.g. input_shape and num_classes")

    def splits(self, seed: int) -> Splits:
        """Training and validation split, drawn by the campaign's seed. Offline and deterministic."""
        raise NotImplementedError(f"{self.name}: expected splits(seed)")

    @property
    def loss(self) -> str:
        return "cross_entropy" if "num_classes" in self.offers else "mean_squared_error"

    @property
    def ceiling(self) -> float:
        """The error of guessing among the classes; in a regression nearly that of always saying the mean."""
        classes = self.offers.get("num_classes")
        return 1.0 - 1.0 / classes if isinstance(classes, int) else 0.99

    @property
    def seeds(self) -> Mapping[str, str]:
        """The baselines that fit the inputs' shape."""
        shape = self.offers["input_shape"]
        rank = len(shape) if isinstance(shape, tuple | list) else 1
        chosen = self.baselines or BASELINES.get(rank) or {"mlp": "mlp", "residual_mlp": "residual_mlp"}
        folder = resources.files(__name__) / "seeds"
        texts = {name: (folder / f"{file}.py").read_text("utf-8") for name, file in chosen.items()}
        if "num_classes" in self.offers:
            # The files say num_outputs; a classification offers the same number under its own name.
            return {name: text.replace("num_outputs", "num_classes") for name, text in texts.items()}
        return texts
