"""What a soft prompt is trained on: children under their own metrics, some lineages held out."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from evoarch.agent.base.rng import stream
from evoarch.agent.config.load import Config
from evoarch.agent.statistics.intervals import examples
from evoarch.archive.records import FULL, Scored
from evoarch.archive.store import Store
from evoarch.prompts.contexts import Rewrite
from evoarch.prompts.outline import header, outline
from evoarch.prompts.render import render
from evoarch.sandbox.genome import strip_prose


@dataclass(frozen=True)
class TuningExample:
    """A child as text: `completion` is what should follow `prompt`. `lineage`: the seed it descends from."""

    candidate: int
    lineage: int
    prompt: str
    completion: str


@dataclass(frozen=True)
class TuningData:
    """Examples to train on, and others, of lineages that stand on no other side, to measure by."""

    training: tuple[TuningExample, ...]
    held_out: tuple[TuningExample, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Who is trained on and who is held out, by id."""
        return {
            "trained_on": [each.candidate for each in self.training],
            "held_out": [each.candidate for each in self.held_out],
        }

    @property
    def digest(self) -> str:
        """Of the whole data, so that what was begun with other data is not gone on with."""
        text = json.dumps([asdict(each) for each in (*self.training, *self.held_out)])
        return hashlib.sha256(f"{len(self.training)} {text}".encode()).hexdigest()


def example(
    source: str,
    metrics: Mapping[str, float],
    offers: Mapping[str, object],
    *,
    candidate: int = 0,
    lineage: int = 0,
    entry: str = "Model",
) -> TuningExample | None:
    """A model file as the campaign's prompt without examples, and the rest of its class.

    The metrics asked for are the file's own: the model learns to write what has them. None where the class
    does not begin as prompts do, so that nothing could follow one.
    """
    outlined = outline(strip_prose(source), entry)
    head = header(source, entry, tuple(offers))
    prompt = render(Rewrite(outlined.imports, [], metrics, head))
    # Spacing within the head may differ from the file's own: what follows the head's last line is the rest.
    _, found, rest = outlined.entry.partition(head.splitlines()[-1].strip())
    return TuningExample(candidate, lineage, prompt, rest.rstrip() + "\n") if found and rest.strip() else None


def tuning_data(
    store: Store, candidates: Sequence[int], config: Config, offers: Mapping[str, object]
) -> TuningData:
    """The examples of scored `candidates`, split by lineage; a function of the archive."""
    found: list[TuningExample] = []
    for identity in candidates:
        member = member_of(store, identity)
        assert member is not None
        metrics = {"params": member.params, "error": member.error}
        source = store.candidate(identity).source
        each = example(source, metrics, offers, candidate=identity, lineage=lineage_of(store, identity))
        if each is not None:
            found.append(each)
    return split(found, config.tuning.held_out, stream(config.campaign.seed, "held out", len(found)))


def lineage_of(store: Store, candidate: int) -> int:
    """The seed that its first parents lead to."""
    while parents := store.candidate(candidate).parents:
        candidate = parents[0]
    return candidate


def split(examples: Sequence[TuningExample], share: float, rng: random.Random) -> TuningData:
    """Whole lineages are held out, in random order, while they make up at most `share` of the examples; none
    is where each is larger than that.
    """
    sizes: dict[int, int] = {}
    for each in examples:
        sizes[each.lineage] = sizes.get(each.lineage, 0) + 1
    out: set[int] = set()
    left = int(share * len(examples))
    for lineage in rng.sample(sorted(sizes), len(sizes)):
        if sizes[lineage] <= left:
            out.add(lineage)
            left -= sizes[lineage]
    return TuningData(
        tuple(each for each in examples if each.lineage not in out),
        tuple(each for each in examples if each.lineage in out),
    )


@dataclass(frozen=True)
class Member:
    """A child that was trained: `error` is its unsmoothed validation error, 0..1, `params` its elements."""

    id: int
    params: float
    error: float

    @property
    def fitness(self) -> float:
        """To be maximised (section 3)."""
        return -(self.params * self.error)


def unsmoothed(error: float, examples: int) -> float:
    """The share of wrong answers behind the smoothed (wrong + 1) / (examples + 2); as it is where the number
    of examples is not known (0).
    """
    if not examples:
        return error
    return min(max(round(error * (examples + 2) - 1) / examples, 0.0), 1.0)


def member_of(store: Store, candidate: int) -> Member | None:
    """From its first training seed on the last rung; None where it has no score there."""
    for each in store.evaluations(candidate):
        if each.rung == FULL and each.seed == 0 and isinstance(each.outcome, Scored):
            metrics = each.outcome.metrics
            known = examples(metrics["error"], each.correct) if each.correct else 0
            return Member(candidate, metrics["params"], unsmoothed(metrics["error"], known))
    return None
