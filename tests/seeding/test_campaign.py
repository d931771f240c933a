"""From a repository of two packages to a patch that its own tests accept, by the commands alone."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evoarch.agent.seeding.frozen import canonical
from evoarch.agent.seeding.units import units_of
from evoarch.archive.records import State
from evoarch.archive.store import open_archive
from kit.command import evoarch, new_campaign
from kit.paths import FIXTURES
from kit.seeds import seed_of

REPOSITORY = FIXTURES / "seeding" / "repo"


def run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def own_tests(repository: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    return run(*command, cwd=repository)


@pytest.mark.slow
def test_a_campaign_on_one_open_block_ends_in_a_patch_that_the_repository_takes(tmp_path: Path) -> None:
    repository, folder = tmp_path / "repo", tmp_path / "campaign"
    shutil.copytree(REPOSITORY, repository)
    assert run("git", "init", "-q", cwd=repository).returncode == 0
    new_campaign(folder, "--evaluations", "3")
    config = folder / "campaign.toml"
    text = config.read_text()
    start = text.index("files = [")
    config.write_text(text[:start] + "files = []" + text[text.index("]", start) + 1 :])
    added = evoarch(
        "seed", "add", str(folder), f"{repository}/nets/model.py:Net",
        "--evolve", "Block", "--kwargs", "width=6", "--name", "net",
    )  # fmt: skip
    assert added.exit_code == 0, added.stderr
    assert evoarch("check", str(folder / "seeds" / "net.py")).exit_code == 0
    done = evoarch(
        "run", str(folder), "--set", "evaluation.repeats=1", "--set", "constraints.error=0.95",
        "--set", "operators.2.weight=0.001", "--set", "evaluation.workers=2",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr

    store = open_archive(folder, write=False)
    seed = store.candidate(1)
    own = [u for u in units_of(seed.source) if u.kind != "import" and u.names != ("Block",)]
    frozen = {name: canonical(u.text) for u in own for name in u.names}
    children = [
        c for c in store.candidates() if c.parents and c.state not in (State.REJECTED, State.PROPOSED)
    ]
    scored = [c for c in children if c.state is State.SCORED]
    assert len(scored) == 3
    for child in children:
        units = units_of(child.source)
        assert {n: canonical(u.text) for u in units for n in u.names if n in frozen} == frozen

    winner = min(scored, key=lambda c: c.metrics["error"])
    target = tmp_path / "winner.patch"
    exported = evoarch("export", str(folder), str(winner.id), "--patch", "-o", str(target))
    assert exported.exit_code == 0, exported.stderr
    assert "+++ b/nets/blocks.py" in target.read_text()
    before = (repository / "nets" / "model.py").read_text()
    applied = run("git", "apply", str(target), cwd=repository)
    assert applied.returncode == 0, applied.stderr
    tests = own_tests(repository)
    assert tests.returncode == 0, tests.stdout
    assert (repository / "nets" / "model.py").read_text() == before

    # The patched repository is the winner: added again its open code is the same.
    again = seed_of(repository / "nets" / "model.py", "Net", ("Block",), width=6)
    blocks = [
        u.text for genome in (again.genome, winner.source) for u in units_of(genome) if "Block" in u.names
    ]
    assert canonical(blocks[0]) == canonical(blocks[1])

    refused = evoarch("export", str(folder), str(winner.id), "--file", "-o", str(tmp_path / "winner.py"))
    assert refused.exit_code == 1
    assert "is a model of 6 files: -o NAME.zip takes them all" in refused.stderr
    one = tmp_path / "winner.zip"
    assert evoarch("export", str(folder), str(winner.id), "--file", "-o", str(one)).exit_code == 0
    use = "import sys, torch; sys.path.insert(0, sys.argv[1]); from evoarch_model import Model; "
    use += "print(tuple(Model(num_classes=10)(torch.zeros(2, 40)).shape))"
    ran = run(sys.executable, "-c", use, str(one))
    assert ran.stdout == "(2, 10)\n", ran.stderr

    edited = folder / "seeds" / "net.py"
    edited.write_text(edited.read_text() + "\n# changed by hand\n")
    refused = evoarch("run", str(folder))
    assert refused.exit_code == 1
    assert "was changed after it was added" in refused.stderr
