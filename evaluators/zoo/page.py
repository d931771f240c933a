"""docs/zoo.md, made from the catalogue: `python -m evoarch.evaluators.zoo.page > docs/zoo.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from evoarch.evaluators.zoo.catalogue import Family, Paper, load_catalogue

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

`init --seeds` fits each family to the task's input and to the number of parameters, mostly by `width`, and
writes plain files with the numbers in them, in the place of the task's baselines. On `digits` each family
that takes images is within 5% of 5,000, of 20,000 and of 50,000 parameters; `init` says how far off each is.
For one-dimensional inputs the files of images are rewritten (`Conv2d` to `Conv1d` and so on); those that read
both dimensions of an image (EfficientFormer, EfficientMod, EMO, ENet, EvoNorm, LowFormer, RIFormer) are
refused in one line, and so is TDNN for images.

This page is made from the catalogue, `evaluators/zoo/families/NAME.toml`: `make zoo-docs`.
"""


def page(families: Iterable[Family]) -> str:
    """The page: a table of all families, then each with its variants, how it scales and notes."""
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
    return "\n".join([_HEAD, *table, *(_section(family) for family in known)]) + "\n"


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


if __name__ == "__main__":
    sys.stdout.write(page(load_catalogue().values()))
