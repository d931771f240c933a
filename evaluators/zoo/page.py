"""docs/zoo.md, made from the catalogue and from what benchmarks/zoo.py measured: `make zoo-docs`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evoarch.evaluators.zoo.catalogue import Family, Paper

_HEAD = """# The zoo

Known architectures, each as one plain model file of at most 150 lines (`evaluators/zoo/families/NAME.py`),
written from its paper. Every file passes vetting and takes `input_shape`, `num_classes` and its own knobs;
the defaults give the published network, and `width` makes it narrower or wider.

**exact** means: as many parameters as the named variants have in the package of the last column, to the last
one; and, where that package is code, equal outputs from equal weights, to 1e-5 in evaluation and in training
mode (`make zoo-oracle`). **off** says how far it is off and why. Dropout and stochastic depth have no
parameters and are left out: they are the business of a recipe.

## Commands

    evoarch zoo                       # all families; --search WORD, --json
    evoarch zoo show starnet          # paper, published variants, how it scales
    evoarch init demo --task digits --seeds starnet,mobileone,regnet --params 50k
    evoarch init more --task digits --seeds starnet,mobileone,regnet --flops 5M

`init --seeds` fits each family to the task's input and to the number of parameters, or to the FLOPs of one
example, mostly by `width`, and writes plain files with the numbers in them, in the place of the task's
baselines. On `digits` each family that takes images is within 5% of 5,000, of 20,000 and of 50,000
parameters, and of 500,000 and of 5 million FLOPs; `init` says how far off each is. What was found in a
campaign grows by `evoarch scale` (docs/scale.md).
For one-dimensional inputs the files of images are rewritten (`Conv2d` to `Conv1d` and so on); those that read
both dimensions of an image (EfficientFormer, EfficientMod, EMO, ENet, EvoNorm, LowFormer, RIFormer) are
refused in one line, and so is TDNN for images.

Each file is shown whole in a prompt of at most 3,000 tokens of the embedded language model.

This page is made from the catalogue, `evaluators/zoo/families/NAME.toml`, and from results/zoo.json:
`make zoo-docs`.
"""

_SIZES = """
## Size and error

![Parameters against error](img/zoo.svg)

`python -m benchmarks.zoo --campaigns DIR` runs a campaign a family without a language model: its seeds are
the family at about 5,000, 20,000 and 50,000 parameters, one training each by the recipe `fast`. Its children
are made by the syntactic operators. Errors are of the validation examples, with 95% intervals over examples
and training seeds. Chance is 0.9.
"""

Measured = Mapping[str, Mapping[str, Any]]
"""By family: its `task`; `seeds`, each as parameters, error and the interval's ends; `children`, errors by
operator; `failed`, the reasons of seeds that have no score.
"""


def page(families: Iterable[Family], measured: Measured) -> str:
    """The page: a table of all families, one of what was measured, then each family with its variants, how it
    scales and notes.
    """
    known = list(families)
    exact = sum(family.status == "exact" for family in known)
    rows = [
        f"| [{family.title}](#{_anchor(family.title)}) | {family.paper.year} | {family.status} "
        f"| {_sizes(family)} | {_oracles(family)} |"
        for family in known
    ]
    table = [
        f"{len(known)} families, {exact} of them exact.",
        "",
        "| family | year | status | parameters | compared with (its licence) |",
        "|---|---|---|---|---|",
        *rows,
    ]
    sections = (_section(family) for family in known)
    return "\n".join([_HEAD, *table, *_measured(known, measured), *sections]) + "\n"


def _measured(known: Sequence[Family], measured: Measured) -> list[str]:
    head = [
        "| family | task | parameters: error | children scored | their best error |",
        "|---|---|---|---|---|",
    ]
    rows = []
    for family in known:
        if not (row := measured.get(family.name)):
            continue
        seeds = [f"{n:,}: {error:.3f} [{low:.3f}, {high:.3f}]" for n, error, low, high in row["seeds"]]
        seeds += [f"{name}: {reason}" for name, reason in row["failed"].items()]
        errors = [error for some in row["children"].values() for error in some]
        best = f"{min(errors):.3f}" if errors else ""
        rows.append(f"| {family.title} | {row['task']} | {'; '.join(seeds)} | {len(errors)} | {best} |")
    missing = [family.title for family in known if family.name not in measured]
    note = [f"\nNot measured yet: {', '.join(missing)}."] if missing else []
    return [_SIZES, *head, *rows, *note]


def _section(family: Family) -> str:
    variants = [
        f"| {variant.name} | {variant.parameters:,} | {variant.source} | {_figures(variant.figures)} |"
        for variant in family.variants
    ]
    paragraphs = [
        f"\n## {family.title}",
        f"{family.summary} `{family.path.name}`",
        _reference(family.paper),
        f"Scales by: {family.scaling}",
        *([family.note] if family.note else []),
        "\n".join(["| variant | parameters | counted by | published |", "|---|---|---|---|", *variants]),
    ]
    return "\n\n".join(paragraphs)


def _anchor(title: str) -> str:
    """The end of the link to a heading, as Markdown viewers make it."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def _sizes(family: Family) -> str:
    return ", ".join(f"{variant.name}: {variant.parameters:,}" for variant in family.variants)


def _oracles(family: Family) -> str:
    named = [f"{one.package} {one.version} ({one.licence})" for one in family.oracles]
    return ", ".join(named) or "sums from the paper"


def _reference(paper: Paper) -> str:
    where = f", arXiv {paper.arxiv}" if paper.arxiv else ""
    return f"{paper.authors}: *{paper.title}*, {paper.year}{where}."


def _figures(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in figures.items())


def _short(value: float) -> str:
    for size, unit in ((1e9, " G"), (1e6, " M")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
