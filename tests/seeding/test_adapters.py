"""Models that are called otherwise than the task calls them: each gets the adapter that fits, by dry runs."""

# ruff: noqa: E501 (small files read better on one line)

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import load
from evoarch.agent.evaluation.bench import Bench, open_bench, plan_bench
from evoarch.agent.evaluation.fitting import fits_of, fitting
from evoarch.agent.seeding.add import Prepared, Seed, Wanted, prepare
from evoarch.agent.seeding.arguments import arguments
from kit.command import new_campaign
from kit.seeds import write

pytestmark = pytest.mark.slow

TOP = "import torch\nfrom torch import nn\nfrom collections import namedtuple\nfrom dataclasses import dataclass\n\n\n"
PLAIN = "class Net(nn.Module):\n    def __init__(self, num_classes):\n        super().__init__()\n        self.head = nn.Linear(64, num_classes)\n\n"


@dataclass(frozen=True)
class Case:
    """A model's text, the user's `--kwargs` and `--input`, and what the adapter must hold."""

    text: str
    parts: tuple[str, ...]
    kwargs: tuple[str, ...] = ()
    given: str = ""
    elements: int = 650
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


CASES = {
    "a_tuple": Case(
        PLAIN + "    def forward(self, x):\n        x = x.flatten(1)\n        return x.sum(), (x, self.head(x))\n",
        ("return self.inner(x)[1][1]\n",),
    ),
    "a_named_tuple": Case(
        "Answer = namedtuple('Answer', 'loss scores')\n\n\n" + PLAIN
        + "    def forward(self, x):\n        return Answer(None, self.head(x.flatten(1)))\n",
        ("return self.inner(x)[1]\n",),
    ),
    "a_dict_in_a_dict": Case(
        PLAIN + "    def forward(self, x):\n        return {'features': x, 'out': {'the logits': self.head(x.flatten(1))}}\n",
        ("return self.inner(x)['out']['the logits']\n",),
    ),
    "a_dataclass": Case(
        "@dataclass\nclass Answer:\n    logits: torch.Tensor\n    loss: object = None\n\n\n" + PLAIN
        + "    def forward(self, x):\n        return Answer(self.head(x.flatten(1)))\n",
        ("return self.inner(x).logits\n",),
    ),
    "takes_a_dict": Case(
        PLAIN + "    def forward(self, batch):\n        return self.head(batch['the image'].flatten(1))\n",
        ("return self.inner({'the image': x})\n",),
        given="{'the image': x}",
    ),
    "takes_a_name": Case(
        PLAIN + "    def forward(self, masks=None, images=None):\n        return self.head(images.flatten(1))\n",
        ("return self.inner(images=x)\n",),
        given="images=x",
    ),
    "keyword_only": Case(
        PLAIN + "    def forward(self, *, masks=None, pixel_values):\n        return self.head(pixel_values.flatten(1))\n",
        ("return self.inner(pixel_values=x)\n",),
    ),
    "keyword_only_arguments": Case(
        PLAIN.replace("self, num_classes", "self, *, width=3, num_classes").replace("64, num", "width, num")
        + "    def forward(self, x):\n        return self.head(x.flatten(1))\n",
        ("return Net(num_classes=num_classes, width=64)\n",),
        ("width=64",),
    ),
    "a_dataclass_of_settings": Case(
        "@dataclass\nclass Settings:\n    width: int = 3\n    name: str = 'a'\n\n\n"
        + PLAIN.replace("self, num", "self, config: Settings, num").replace("64, num", "config.width, num")
        + "    def forward(self, x):\n        return self.head(x.flatten(1))\n",
        ("return Net(num_classes=num_classes, config=Settings(width=64))\n",),
        ("config.width=64",),
    ),
    "a_namespace_in_a_namespace": Case(
        PLAIN.replace("self, num", "self, config, num").replace("64, num", "config.head.width * config.n, num")
        + "    def forward(self, x):\n        return self.head(x.flatten(1))\n",
        ("config=SimpleNamespace(n=2, head=SimpleNamespace(width=32))",),
        ("config.head.width=32", "config.n=2"),
    ),
    "channels_last": Case(
        PLAIN.replace("64, num", "8, num").replace("self, num_classes", "self, num_classes, in_channels=3")
        + "        self.mix = nn.Linear(in_channels, 8)\n\n    def forward(self, x):\n        return self.head(self.mix(x).mean((1, 2)))\n",
        ("x = x.permute(0, 2, 3, 1)\n", "in_channels=1"),
        elements=106,
    ),
    "three_channels": Case(
        PLAIN.replace("64, num", "4, num") + "        self.conv = nn.Conv2d(3, 4, 1)\n\n    def forward(self, x):\n        return self.head(self.conv(x).mean((2, 3)))\n",
        ("x = x.expand(-1, 3, -1, -1)\n",),
        elements=66,
    ),
    "a_larger_image": Case(
        PLAIN.replace("64, num", "4, num") + "        self.conv = nn.Conv2d(1, 4, 20)\n\n    def forward(self, x):\n        return self.head(self.conv(x).mean((2, 3)))\n",
        ("x = torch.nn.functional.interpolate(x, size=(32, 32))\n",),
        elements=1654,
    ),
    "a_vector": Case(
        PLAIN + "    def forward(self, x):\n        return self.head(x)\n",
        ("x = x.flatten(1)\n",),
    ),
    "token_ids": Case(
        PLAIN.replace("64, num", "4, num").replace("self, num_classes", "self, vocab_size, num_classes")
        + "        self.embed = nn.Embedding(vocab_size, 4)\n\n    def forward(self, ids):\n        return self.head(self.embed(ids).mean(1))\n",
        ("x = x.flatten(1).round().clamp(0, 15).long()\n", "vocab_size=16"),
        ("vocab_size=16",),
        elements=114,
    ),
    "input_shape_and_channels_last": Case(
        PLAIN.replace("64, num", "8, num").replace("self, num_classes", "self, input_shape, num_classes")
        + "        height, width, channels = input_shape\n        assert channels == 1\n        self.mix = nn.Linear(channels, 8)\n\n    def forward(self, x):\n        return self.head(self.mix(x).mean((1, 2)))\n",
        ("x = x.permute(0, 2, 3, 1)\n", "input_shape=(8, 8, 1)"),
        elements=106,
    ),
    "input_shape_in_another_order": Case(
        PLAIN.replace("64, num", "4, num").replace("self, num_classes", "self, input_shape, num_classes")
        + "        height, width, channels = input_shape\n        self.conv = nn.Conv2d(channels, 4, 3)\n\n    def forward(self, x):\n        return self.head(self.conv(x).mean((2, 3)))\n",
        ("return Net(input_shape=(8, 8, 1), num_classes=num_classes)\n",),
        elements=90,
    ),
    "complex_and_whole_numbers": Case(
        PLAIN.replace("64, num", "6, num")
        + "        self.mix = nn.Parameter(torch.randn(64, 3, dtype=torch.cfloat) / 8)\n"
        "        self.order = nn.Parameter(torch.arange(63, -1, -1), requires_grad=False)\n\n"
        "    def forward(self, x):\n        x = x.flatten(1)[:, self.order].to(self.mix.dtype) @ self.mix\n"
        "        return self.head(torch.view_as_real(x).flatten(1))\n",
        ("return Net(num_classes=num_classes)\n",),
        elements=192 * 2 + 70,
    ),
}  # fmt: skip


def prepared(root: Path, name: str) -> Prepared:
    case = CASES[name]
    return prepare(Wanted(root / f"{name}.py", "Net", (), arguments(case.kwargs)))


@asynccontextmanager
async def opened(campaign: Path, root: Path) -> AsyncIterator[tuple[Bench, Mapping[str, Prepared]]]:
    """One bench whose children have the frozen files of all cases."""
    plan = plan_bench(load(campaign), campaign)
    found = {name: prepared(root, name) for name in CASES}
    first = [
        each.seed(plan.task.offers, next(fits_of(each, plan.task.offers, ""))) for each in found.values()
    ]
    async with open_bench(replace(plan, seeds=[seed.frozen for seed in first]), runs=None) as bench:
        yield bench, found


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_campaign(tmp_path_factory.mktemp("new") / "campaign", "--task", "digits")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, campaign: Path) -> Mapping[str, tuple[Seed, int] | str]:
    """Of each case the seed and its number of parameters, or what is said of it."""
    root = tmp_path_factory.mktemp("cases") / "repo"
    write(root, {f"{name}.py": TOP + case.text for name, case in CASES.items()})

    async def fit() -> dict[str, tuple[Seed, int] | str]:
        answers: dict[str, tuple[Seed, int] | str] = {}
        async with opened(campaign, root) as (bench, all_prepared):
            for name, one in all_prepared.items():
                fits = list(fits_of(one, bench.plan.task.offers, CASES[name].given))
                try:
                    seed, passed = await fitting(bench, one, fits)
                except UserError as error:
                    answers[name] = str(error)
                else:
                    answers[name] = (seed, passed.params)
        return answers

    return asyncio.run(fit())


@pytest.mark.parametrize("name", CASES)
def test_a_model_that_is_called_otherwise_gets_the_adapter_that_fits(
    name: str, found: Mapping[str, tuple[Seed, int] | str]
) -> None:
    answer = found[name]
    assert not isinstance(answer, str), answer
    seed, parameters = answer
    for part in CASES[name].parts:
        assert part in seed.adapter.text
    assert parameters == CASES[name].elements
