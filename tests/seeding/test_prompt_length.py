"""What a language model is asked about a block of a public model fits small context windows."""

import importlib.util
from pathlib import Path

import pytest
from benchmarks.seeding_cost import embedded_tokenizer, prompts, seed_of, tokens

from evoarch.agent.seeding.add import Wanted
from evoarch.evaluators.tasks import load_task

MOST = 3000

SMALL = {"channels": [[8]] * 3, "init_block_channels": 8, "bottleneck": False}
CASES = {
    "pytorchcv": ("models/resnet_cifar.py", "CIFARResNet", "ConvBlock", SMALL),
    "timm": ("models/starnet.py", "starnet_s1", "Block", {}),
}


@pytest.mark.parametrize(
    "package",
    [pytest.param("pytorchcv", marks=pytest.mark.slow), pytest.param("timm", marks=pytest.mark.long)],
)
def test_a_prompt_about_one_block_of_a_package_is_short(package: str) -> None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed")
    file, entry, block, kwargs = CASES[package]
    task = load_task("digits")
    wanted = Wanted(Path(spec.origin).parent / file, entry, (block,), kwargs)
    asked = prompts(task, seed_of(task, wanted, ("num_classes",)))
    tokenizer = embedded_tokenizer()
    counts = {name: tokens(request, tokenizer) for name, request in asked.items()}
    assert len(counts) == 4
    assert {name: count for name, count in counts.items() if not 200 < count <= MOST} == {}
