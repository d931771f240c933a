"""Latency of the exported form: measured beside the reference's, refused where it is another model."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.deploy import export
from evoarch.agent.deploy.latency import ExportedTiming, open_timing
from evoarch.agent.evaluation.bench import open_bench, plan_bench
from evoarch.agent.evaluation.one_file import plain_settings
from evoarch.archive.records import Failed, Fault
from evoarch.archive.store import open_archive
from evoarch.evaluators import latency
from evoarch.evaluators.latency import Latency
from evoarch.evaluators.tasks import load_task
from kit.command import evoarch, output_of, small_campaign

SMALL = "import torch\n" + load_task("mnist1d").seeds["mlp"]
WIDE = SMALL.replace("100", "1024")
OTHERWISE = SMALL.replace(
    "    def forward(self, x):\n",
    "    def forward(self, x):\n        if torch.compiler.is_exporting():\n            x = x * 1.5\n",
)
NO_OPERATOR = SMALL.replace(
    "    def forward(self, x):\n", "    def forward(self, x):\n        x = x + torch.special.i0(x)\n"
)

Found = Mapping[str, Latency | Failed | str]


@pytest.fixture(scope="module")
def found() -> Found:
    async def measured() -> Found:
        config = plain_settings("mnist1d", "fast", 0)
        config = config.model_copy(
            update={"evaluation": config.evaluation.model_copy(update={"latency_of": "onnx"})}
        )
        async with (
            open_bench(plan_bench(config, Path()), runs=None) as bench,
            open_timing(bench) as timing,
        ):
            assert isinstance(timing, ExportedTiming)
            refused = ""
            try:
                await timing.refuse_reference("seed1", NO_OPERATOR)
            except UserError as error:
                refused = str(error)
            return {
                "wide": await timing.latency(WIDE, SMALL),
                "int8": await replace(timing, int8=True).latency(SMALL, SMALL),
                "otherwise": await timing.latency(OTHERWISE, SMALL),
                "no operator": await timing.latency(NO_OPERATOR, SMALL),
                "reference": await timing.latency(SMALL, NO_OPERATOR),
                "refused": refused,
            }

    return asyncio.run(measured())


pytestmark = pytest.mark.slow
needs_onnx = pytest.mark.skipif(bool(export.missing()), reason="the extra deploy is not installed")


@needs_onnx
def test_a_larger_model_takes_longer_and_the_reference_is_one(found: Found) -> None:
    wide, same = found["wide"], found["int8"]
    assert isinstance(wide, Latency), wide
    assert isinstance(same, Latency), same
    assert wide.low > 1.5, wide
    assert same.low <= 1.1 and same.high >= 0.9, same  # noqa: PT018 - one claim: about 1
    assert 2 * latency.CHUNK <= wide.runs <= latency.MOST
    assert wide.cpu_seconds > 0


@needs_onnx
def test_a_file_that_is_another_model_has_no_latency(found: Found) -> None:
    failed = found["otherwise"]
    assert isinstance(failed, Failed)
    assert failed.reason.startswith("its latency can't be measured: a logit of the file is ")
    assert failed.fault is Fault.CANDIDATE


@needs_onnx
def test_what_onnx_lacks_is_named_and_of_the_reference_it_is_no_fault_of_the_candidate(found: Found) -> None:
    failed, reference = found["no operator"], found["reference"]
    assert isinstance(failed, Failed)
    assert "no ONNX operator for prims.bessel_i0" in failed.reason
    assert isinstance(reference, Failed)
    assert reference.reason.startswith("the reference's latency can't be measured: ")
    assert reference.fault is Fault.INFRASTRUCTURE
    assert str(found["refused"]).startswith("constraints.reference: seed1 can't be timed as ONNX: ")


@needs_onnx
def test_a_campaign_limits_and_minimises_it(tmp_path: Path) -> None:
    folder = small_campaign(tmp_path / "c")
    sets = [
        "budget.evaluations=2",
        'evaluation.latency_of="onnx"',
        "constraints.latency=50.0",
        'selection.objectives=["error", "latency"]',
    ]
    output_of("run", str(folder), "--json", *(part for each in sets for part in ("--set", each)))
    with open_archive(folder, write=False) as store:
        scored = list(store.scored())
    assert len(scored) >= 3
    assert scored[0].metrics["latency"] == 1.0
    assert all(0.0 < each.metrics["latency"] <= 50.0 for each in scored)


def test_missing_packages_are_one_line_before_anything_is_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small_campaign(tmp_path / "c")
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnx" else find_spec(name))
    sets = ("--set", 'evaluation.latency_of="onnx"', "--set", "constraints.latency=2.0")
    refused = evoarch("run", str(folder), *sets)
    assert refused.exit_code == 2
    assert "evaluation.latency_of = \"onnx\" needs onnx: pip install 'evoarch[deploy]'" in refused.output
    assert not (folder / "archive.db").exists()
