"""`seed add` names the seed in campaign.toml: whatever the list looks like, nothing is lost or broken."""

import tomllib
from pathlib import Path

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import load
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.agent.seeding.add import with_seed, write_seed
from evoarch.evaluators.tasks import load_task
from kit.seeds import seed_of
from kit.small_net import NET


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[seeds]\nfiles = []\n', '[seeds]\nfiles = ["s.py"]\n'),
        ('[seeds] # my\nfiles = ["a.py"] # x\n[b]\n', '[seeds] # my\nfiles = ["a.py", "s.py"] # x\n[b]\n'),
        ('[seeds]\nfiles = [\n  "a.py",\n]\n', '[seeds]\nfiles = [\n  "a.py",\n    "s.py",\n]\n'),
        ('[a]\nfiles = []\n', '[a]\nfiles = []\n\n[seeds]\nfiles = ["s.py"]\n'),
        ('[seeds]\n\n[a]\nfiles = []\n', '[seeds]\nfiles = ["s.py"]\n\n[a]\nfiles = []\n'),
        ('[seeds]\nfiles = [\n "a.py",  # old\n]\n', '[seeds]\nfiles = [\n "a.py",  # old\n    "s.py",\n]\n'),
        (
            '[seeds]\nfiles = ["a.py", # the [old] one\n "b.py"]\n',
            '[seeds]\nfiles = ["a.py", # the [old] one\n "b.py",\n    "s.py",]\n',
        ),
        ('[seeds]\nfiles = ["net[1].py"]\n', '[seeds]\nfiles = ["net[1].py", "s.py"]\n'),
        ('  [seeds]\n  files = ["a.py"]\n  [b]\n', '  [seeds]\n  files = ["a.py", "s.py"]\n  [b]\n'),
        ('[ seeds ]\nfiles = [ # none\n]\n', '[ seeds ]\nfiles = [ # none\n    "s.py",\n]\n'),
        ('seeds = {files = ["a.py"]}\n', 'seeds = {files = ["a.py", "s.py"]}\n'),
        ('seeds = {}\n', 'seeds = {files = ["s.py"]}\n'),
        ('seeds.files = ["a.py"]\n', 'seeds.files = ["a.py", "s.py"]\n'),
        ('[seeds]\n"files" = ["a.py"]\n', '[seeds]\n"files" = ["a.py", "s.py"]\n'),
        (
            'a = """\n[seeds]\nfiles = []\n"""\n[seeds]\nfiles = []\n',
            'a = """\n[seeds]\nfiles = []\n"""\n[seeds]\nfiles = ["s.py"]\n',
        ),
        ('[a]\r\n[seeds]\r\nfiles = ["b.py"]\r\n', '[a]\r\n[seeds]\r\nfiles = ["b.py", "s.py"]\r\n'),
        ('[seeds]\nfiles = "a.py"\n', None),
        ('seeds = 3\n', None),
        ('[seeds\n', None),
    ],
)  # fmt: skip
def test_the_seed_is_named_in_the_configuration(tmp_path: Path, text: str, expected: str | None) -> None:
    path = tmp_path / "campaign.toml"
    path.write_bytes(text.encode())
    if expected is None:
        with pytest.raises(UserError, match=r"campaign\.toml: expected tables and lists as"):
            with_seed(path, "s.py")
        return
    found = with_seed(path, "s.py")
    assert found == expected
    named = tomllib.loads(text).get("seeds", {}).get("files", [])
    assert tomllib.loads(found)["seeds"]["files"] == [*named, "s.py"]


def test_a_list_that_can_not_be_added_to_is_said_before_anything_is_written(tmp_path: Path) -> None:
    folder, repository = tmp_path / "campaign", tmp_path / "repo"
    write_campaign(folder, load_task("mnist1d"), name="c", seed=0, evaluations=3, lm="none")
    config = folder / "campaign.toml"
    text = config.read_text()
    start = text.index("[seeds]")
    end = text.index("[selection]")
    config.write_text('seeds.files = "seeds/mlp.py"\n' + text[:start] + text[end:])
    before = config.read_text()
    repository.mkdir()
    (repository / "net.py").write_text(NET)
    seed = seed_of(repository / "net.py")
    with pytest.raises(UserError, match=r"campaign\.toml: expected tables and lists as"):
        write_seed(folder, seed)
    assert config.read_text() == before
    assert not (folder / "seeds" / "net.py").exists()
    config.write_text(text.replace('"seeds/residual_cnn.py"]', '"seeds/residual_cnn.py",  # the last\n]'))
    assert write_seed(folder, seed) == folder / "seeds" / "net.py"
    assert "seeds/net.py" in load(folder).seeds.files
