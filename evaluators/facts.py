"""What a person or a model that writes genomes should know of a task, in short sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evoarch.evaluators.checks import asked, check_splits, input_shape, output_shape, outputs
from evoarch.evaluators.registry import OwnTask
from evoarch.evaluators.task import Recipe, SupervisedTask, Task, TaskError

MOST_CHARACTERS = 600
"""Of a task's own description: every prompt pays for it."""

ANSWERS: Mapping[str, tuple[str, str]] = {
    "cross_entropy": (
        "logits",
        "the share of validation examples that are sorted wrongly, 0 to 1",
    ),
    "mean_squared_error": (
        "numbers",
        "the mean squared error on validation over the variance of the targets, 0 to 1",
    ),
    "masked_squared_error": (
        "numbers",
        "the mean squared error on validation over the variance of the targets, gaps left out, 0 to 1",
    ),
    "next_token": (
        "logits of the next token at each place, which may depend on the places up to there alone",
        "the bits a token takes on validation over those of a uniform guess, 0 to 1",
    ),
    "pixel_cross_entropy": (
        "logits of each pixel",
        "1 less the mean over the classes of intersection over union on validation, 0 to 1",
    ),
}
"""By loss: what a model returns, and what the error is."""

KINDS: Mapping[int, str] = {
    1: "vectors of features",
    2: "sequences, (channels, length)",
    3: "images, (channels, height, width)",
}
"""What inputs are, by the number of an example's axes, where the task does not say."""


@dataclass(frozen=True)
class TaskFacts:
    """`about`: what an example is and what is to be said of it. `interface`: what `forward` gets and returns,
    with sizes ("" where `about` says it). `data`, `training`, `score`: sizes of the splits, the recipe, and
    what the error is. Each is a line, "" where nothing is known. `rank`: axes of one input, 0 if unknown.
    """

    about: str
    interface: str = ""
    data: str = ""
    training: str = ""
    score: str = ""
    rank: int = 0

    @property
    def lines(self) -> tuple[str, ...]:
        """Those that say something, in order."""
        return tuple(filter(None, (self.about, self.interface, self.data, self.training, self.score)))


def task_facts(task: Task, recipe: Recipe, seed: int = 0) -> TaskFacts:
    """The facts of `task` under `recipe`, its splits drawn by `seed`.

    Raises TaskError for a description of the task's own that is no short text, and for splits that do not
    hold.
    """
    training = (
        f"Training: {recipe.steps} steps of {recipe.batch} examples, {recipe.optimiser}, {recipe.schedule} "
        f"rate {recipe.rate:g}."
    )
    said = described(task)
    if isinstance(task, OwnTask) or not isinstance(task, SupervisedTask):
        return TaskFacts(said or f"The task is {task.name}.", training=training)
    shape, width = input_shape(task), outputs(task)
    tokens = "vocab_size" in task.offers
    returned, error = ANSWERS[task.loss]
    splits = check_splits(task, asked(task, "splits", lambda: task.splits(seed)))
    return TaskFacts(
        said or _about(task, shape, width),
        f"forward(x): x has the shape ({_sizes(('batch', *shape))}), {'int64' if tokens else 'float32'}; it "
        f"returns ({_sizes(('batch', *output_shape(task)))}), {returned}.",
        f"Data: {len(splits.train.inputs)} training and {len(splits.validation.inputs)} validation examples.",
        training,
        f"The error is {error}; above {task.ceiling:g} a model has failed.",
        len(shape),
    )


def described(task: Task) -> str:
    """What the task says of itself (`describe()`), in one line, "" where it does not. Raises TaskError."""
    describe = getattr(task, "describe", None)
    if describe is None:
        return ""
    text: object = asked(task, "describe", describe)
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        got = f"{len(text)} characters" if isinstance(text, str) else type(text).__name__
        raise TaskError(
            f"task {task.name}: describe: expected a text of at most {MOST_CHARACTERS} characters, got {got}"
        )
    return " ".join(text.split())


def _about(task: SupervisedTask, shape: Sequence[int], width: int) -> str:
    tokens = task.offers.get("vocab_size")
    kind = KINDS.get(len(shape), f"arrays of {len(shape)} axes")
    if tokens is not None:
        kind = f"sequences of {_sizes(shape)} tokens, 0 to {int(str(tokens)) - 1}"
    if task.loss == "next_token":
        return f"Predict each next token of {kind}."
    if task.loss == "pixel_cross_entropy":
        return f"Sort each pixel of {kind} into {width} classes."
    if task.loss == "cross_entropy":
        return f"Sort {kind} into {width} classes."
    return f"Predict {width} number{'s' if width > 1 else ''} from {kind}; all are standardised."


def _sizes(sizes: Sequence[object]) -> str:
    return ", ".join(map(str, sizes))
