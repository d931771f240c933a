"""Runs every attack of tests/corpus/models at one level and tells which have won.

    python tests/corpus/model_harness.py LEVEL [--unprivileged] [--undefended] [NAME...]
    python tests/corpus/model_harness.py --table docs/security.md

The first prints one JSON object: {"level", "attacks": {name: {"aim", "won", "outcome"}}}; a twin that is not
scored is an attack that won, since an honest model lost. `--undefended`: each attack without the defence that
it attacks, where it must win. `--unprivileged`: as in harness.py. The second runs all and writes the page.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS), str(TESTS / "corpus")]

from harness import give_up_root, levels_here, replace_table  # noqa: E402

from corpus.models import count, data, others  # noqa: E402
from corpus.models.defences import trusting_program, without  # noqa: E402
from corpus.models.kinds import ModelAttack, won  # noqa: E402
from evoarch.archive.records import Failed  # noqa: E402
from evoarch.evaluators.evaluation import Evaluator  # noqa: E402
from evoarch.evaluators.program import inside_program  # noqa: E402
from evoarch.evaluators.task import Evaluated  # noqa: E402
from evoarch.evaluators.tasks.mnist1d import Mnist1d  # noqa: E402
from evoarch.sandbox.limits import Level  # noqa: E402
from evoarch.sandbox.runner import start  # noqa: E402
from kit.attack_models import LIMITS, RECIPE  # noqa: E402

ATTACKS = [*count.ATTACKS, *data.ATTACKS, *others.ATTACKS]
AIMS = {
    "count": "the parameter count",
    "data": "the count, by data in the source",
    "score": "the score",
    "poison": "the trusted process",
    "blame": "who is to blame",
    "text": "who reads",
}


async def main(level: Level, names: list[str], undefended: bool) -> None:
    """Runs the attacks and prints what came of them."""
    task = Mnist1d()
    chosen = [attack for attack in ATTACKS if not names or attack.name in names]
    sound = await start(inside_program(), level=level)
    trusting = await start(trusting_program(), level=level) if undefended else None
    twins: dict[str, Evaluated] = {}
    results = {}

    async def evaluated(source: str, runner: object) -> Evaluated:
        evaluator = Evaluator(task, RECIPE, runner, limits=LIMITS, ceiling=1.0)  # type: ignore[arg-type]
        return await evaluator.evaluate(source, digest="attack", repeat=0)

    async def attacked(attack: ModelAttack) -> Evaluated | Exception:
        try:
            if trusting is None:
                return await evaluated(attack.source, sound)
            with without(attack.defence):
                return await evaluated(attack.source, trusting if attack.defence == "state" else sound)
        except Exception as error:  # noqa: BLE001 - whatever the trusted process raises is a win
            return error

    try:
        for attack in chosen:
            if attack.twin not in twins:
                twins[attack.twin] = await evaluated(attack.twin, sound)
            twin, found = twins[attack.twin], await attacked(attack)
            honest_lost = isinstance(twin.outcome, Failed)
            outcome = f"twin: {twin.outcome}" if honest_lost else str(getattr(found, "outcome", repr(found)))
            has_won = honest_lost or won(attack, found, twin)
            results[attack.name] = {"aim": attack.aim, "won": has_won, "outcome": outcome[:300]}
    finally:
        await sound.close()
        if trusting is not None:
            await trusting.close()
    sys.stdout.write(json.dumps({"level": level, "attacks": results}))


def write_table(page: Path) -> None:
    """Runs the corpus at each level that works here, and writes how many won between the page's marks."""
    runs = [(title, level, options) for title, level, options in levels_here() if level is not Level.NONE]
    best = runs[-1][1]
    runs = [("without the defence", best, ["--undefended"]), *runs]
    columns: list[dict[str, str]] = []
    lost: list[str] = []
    for title, level, options in runs:
        command = [sys.executable, __file__, level.value, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)["attacks"]
        rows = {aim: [one["won"] for one in found.values() if one["aim"] == aim] for aim in AIMS}
        rows["all"] = [one["won"] for one in found.values()]
        columns.append({aim: f"{sum(each)} of {len(each)}" for aim, each in rows.items()})
        wins = "--undefended" in options
        lost += [f"- {title}: {name}: {one}" for name, one in found.items() if one["won"] is not wins]
    header = [f"| attacks on | {' | '.join(title for title, _, _ in runs)} |", "|---" * (len(runs) + 1) + "|"]
    body = [
        f"| {AIMS.get(aim, aim)} | {' | '.join(column[aim] for column in columns)} |"
        for aim in [*AIMS, "all"]
    ]
    replace_table(page, "models", "\n".join([*header, *body, *lost]))
    sys.exit(bool(lost))


if __name__ == "__main__":
    if sys.argv[1] == "--table":
        write_table(Path(sys.argv[2]))
    if "--unprivileged" in sys.argv:
        give_up_root(__file__)
    chosen = [name for name in sys.argv[2:] if not name.startswith("--")]
    asyncio.run(main(Level(sys.argv[1]), chosen, "--undefended" in sys.argv))
