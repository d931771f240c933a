"""What a run of a comparison takes along from its campaign, and what is said where files don't fit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from evoarch.agent.compare.runs import plan
from evoarch.agent.config.load import load
from evoarch.agent.seeding.frozen import canonical
from evoarch.agent.seeding.record import load_record
from evoarch.agent.seeding.units import units_of
from evoarch.archive.records import State
from evoarch.archive.store import open_archive
from kit.command import evoarch, new_campaign
from kit.paths import FIXTURES

REPOSITORY = FIXTURES / "seeding" / "repo"
TEXT = "# smaller, please\n{{ before }}{{ indent }}{{ lead }}\n"


def campaign(folder: Path, prompts: str = "prompts") -> Path:
    """One inlined seed of which only Block may change, and a template of its own."""
    new_campaign(folder, "--evaluations", "2")
    text = (folder / "campaign.toml").read_text().replace("repeats = 3", "repeats = 1")
    start = text.index("files = [")
    text = text[:start] + "files = []" + text[text.index("]", start) + 1 :]
    if prompts != "prompts":
        text += f'\n[prompts]\nfolder = "{prompts}"\n'
    (folder / prompts).mkdir()
    (folder / prompts / "scoped.j2").write_text(TEXT)
    (folder / "campaign.toml").write_text(text)
    added = evoarch(
        "seed", "add", str(folder), f"{REPOSITORY}/nets/model.py:Net",
        "--evolve", "Block", "--kwargs", "width=6", "--name", "net",
    )  # fmt: skip
    assert added.exit_code == 0, added.output
    return folder


def one_line(done: Result, said: str, code: int) -> None:
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("prompts", ["prompts", "terse"])
def test_a_run_has_the_campaigns_templates_and_records(tmp_path: Path, prompts: str) -> None:
    folder = campaign(tmp_path / "c", prompts)
    (run,) = plan(folder, {"random": 1})
    assert (run.folder / prompts / "scoped.j2").read_text() == TEXT
    record = load_record(run.folder / "seeds" / "net.py")
    assert record is not None
    assert record == load_record(folder / "seeds" / "net.py")


def test_an_arm_brings_templates_and_seeds_of_its_own(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c")
    (folder / "terse").mkdir()
    (folder / "terse" / "scoped.j2").write_text("terse" + TEXT)
    (folder / "seeds" / "other.py").write_text((folder / "seeds" / "net.py").read_text())
    (folder / "arms").mkdir()
    own = '[prompts]\nfolder = "terse"\n[seeds]\nfiles = ["seeds/other.py"]\n'
    (folder / "arms" / "mine.toml").write_text(own)
    (run,) = plan(folder, {"mine": 1})
    assert load(run.folder).seeds.files == ("seeds/other.py",)
    assert (run.folder / "terse" / "scoped.j2").read_text() == "terse" + TEXT
    (folder / "arms" / "mine.toml").write_text('[seeds]\nfiles = ["seeds/nowhere.py"]\n')
    done = evoarch("compare", str(folder), "--arms", "mine:2", "--report-only")
    one_line(done, "seed-0/campaign.toml: was begun under another configuration", 2)
    (folder / "compare").rename(tmp_path / "away")
    done = evoarch("compare", str(folder), "--arms", "mine", "--report-only")
    one_line(done, f"{folder}/seeds/nowhere.py: No such file or directory", 1)


@pytest.mark.slow
def test_runs_use_the_templates_and_freeze_what_is_frozen(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c", "terse")
    arm = '[constraints]\nerror = 0.95\n[[operators]]\nname = "syntactic.mutate"\n'
    (folder / "arms").mkdir()
    (folder / "arms" / "mutate.toml").write_text(arm)
    done = evoarch("compare", str(folder), "--arms", "mutate:1")
    assert done.exit_code == 0, done.output
    with open_archive(folder / "compare" / "mutate" / "seed-0", write=False) as store:
        digests = store.last_event_detail("session")["prompts"]
        assert isinstance(digests, dict)
        assert digests["scoped"] == hashlib.sha256(TEXT.encode()).hexdigest()
        seed, *children = [c for c in store.candidates() if c.state is State.SCORED]
    assert children
    kept = {n: canonical(u.text) for u in units_of(seed.source) if u.kind != "import" for n in u.names}
    for child in children:
        found = {n: canonical(u.text) for u in units_of(child.source) for n in u.names}
        assert {n for n in kept if found.get(n) != kept[n]} <= {"Block"}


EDITS: dict[str, Callable[[Path], object]] = {
    "seeds/net.py": lambda path: path.write_text(path.read_text() + "\n"),
    "seeds/net.json": Path.unlink,
    "prompts/scoped.j2": lambda path: path.write_text(TEXT * 2),
    "prompts/rewrite.j2": lambda path: path.write_text(TEXT),
}


@pytest.mark.parametrize("file", EDITS)
def test_files_that_were_edited_do_not_mix_with_what_was_begun(tmp_path: Path, file: str) -> None:
    folder = campaign(tmp_path / "c")
    plan(folder, {"random": 1})
    assert plan(folder, {"random": 1})
    EDITS[file](folder / file)
    done = evoarch("compare", str(folder), "--arms", "random", "--seeds", "2", "--report-only")
    begun = folder / "compare" / "random" / "seed-0" / file
    one_line(done, f"{begun}: was begun with another one than {folder / file} is now; move", 2)
    assert not (folder / "compare" / "random" / "seed-1").exists()


def test_a_seed_by_its_absolute_path_stays_where_it_is(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c")
    seed = tmp_path / "net.py"
    (folder / "seeds" / "net.py").rename(seed)
    text = (folder / "campaign.toml").read_text()
    (folder / "campaign.toml").write_text(text.replace('"seeds/net.py"', f'"{seed}"'))
    source = seed.read_text()
    for _ in range(2):
        (run,) = plan(folder, {"random": 1})
        assert load(run.folder).seeds.files == (str(seed),)
        assert seed.read_text() == source


@pytest.mark.parametrize("place", ["compare", "compare/random", "compare/random/seed-0"])
def test_a_file_in_the_place_of_a_folder_is_said(tmp_path: Path, place: str) -> None:
    folder = campaign(tmp_path / "c")
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).touch()
    done = evoarch("compare", str(folder), "--arms", "random")
    one_line(done, f"evoarch: {folder / 'compare'}", 1)


def test_a_log_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c")
    (run,) = plan(folder, {"random": 1})
    (run.folder / "run.log").mkdir()
    done = evoarch("compare", str(folder), "--arms", "random:1")
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.stderr.splitlines()[1:] == [f"evoarch: {run.folder}/run.log: Is a directory"]


def test_a_damaged_configuration_of_a_run_is_said(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c")
    (run,) = plan(folder, {"random": 1})
    (run.folder / "campaign.toml").write_text("[campaign")
    done = evoarch("compare", str(folder), "--arms", "random", "--report-only")
    one_line(done, f"{run.folder}/campaign.toml: not valid TOML", 2)
