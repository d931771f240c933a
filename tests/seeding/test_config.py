"""`seed add` names the seed in campaign.toml: whatever the list looks like, nothing is lost or broken."""

import tomllib
from pathlib import Path

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import load
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.agent.seeding.add import Wanted, prepare, with_seed, write_seed
from evoarch.evaluators.tasks import load_task

NET = """from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.head = nn.Linear(40, num_classes)

    def forward(self, x):
        return self.head(x)
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[seeds]\nfiles = []\n', '[seeds]\nfiles = ["s.py"]\n'),
        ('[seeds] # my\nfiles = ["a.py"] # x\n[b]\n', '[seeds] # my\nfiles = ["a.py", "s.py"] # x\n[b]\n'),
        ('[seeds]\nfiles = [\n  "a.py",\n]\n', '[seeds]\nfiles = [\n  "a.py", "s.py"\n]\n'),
        ('[a]\nfiles = []\n', '[a]\nfiles = []\n\n[seeds]\nfiles = ["s.py"]\n'),
        ('[seeds]\n\n[a]\nfiles = []\n', '[seeds]\nfiles = ["s.py"]\n\n[a]\nfiles = []\n'),
        ('[seeds]\nfiles = [\n "a.py",  # old\n]\n', '[seeds]\nfiles = [\n "a.py", "s.py"  # old\n]\n'),
        (
            '[seeds]\nfiles = ["a.py", # the [old] one\n "b.py"]\n',
            '[seeds]\nfiles = ["a.py", # the [old] one\n "b.py", "s.py"]\n',
        ),
        ('[seeds]\nfiles = ["net[1].py"]\n', '[seeds]\nfiles = ["net[1].py", "s.py"]\n'),
        ('  [seeds]\n  files = ["a.py"]\n  [b]\n', '  [seeds]\n  files = ["a.py", "s.py"]\n  [b]\n'),
        ('[ seeds ]\nfiles = [ # none\n]\n', '[ seeds ]\nfiles = ["s.py" # none\n]\n'),
        ('[seeds]\nfiles = "a.py"\n', None),
        ('seeds = {files = ["a.py"]}\n', None),
        ('seeds.files = ["a.py"]\n', None),
        ('seeds = 3\n', None),
        ('[seeds]\n"files" = ["a.py"]\n', None),
        ('a = """\n[seeds]\nfiles = []\n"""\n[seeds]\nfiles = []\n', None),
    ],
)  # fmt: skip
def test_the_seed_is_named_in_the_configuration(text: str, expected: str | None) -> None:
    assert with_seed(text, "s.py") == expected
    if expected is not None:
        named = tomllib.loads(text).get("seeds", {}).get("files", [])
        assert tomllib.loads(expected)["seeds"]["files"] == [*named, "s.py"]


def test_a_list_that_can_not_be_added_to_is_said_before_anything_is_written(tmp_path: Path) -> None:
    folder, repository = tmp_path / "campaign", tmp_path / "repo"
    write_campaign(folder, load_task("mnist1d"), name="c", seed=0, evaluations=3, lm="none")
    config = folder / "campaign.toml"
    text = config.read_text()
    start = text.index("[seeds]")
    end = text.index("[selection]")
    config.write_text('seeds.files = ["seeds/mlp.py"]\n' + text[:start] + text[end:])
    before = config.read_text()
    repository.mkdir()
    (repository / "net.py").write_text(NET)
    seed = next(
        prepare(Wanted(repository / "net.py", "Net")).seeds({"input_shape": (40,), "num_classes": 10})
    )
    with pytest.raises(UserError, match=r"campaign\.toml: expected a list `files = \[\.\.\.\]`"):
        write_seed(folder, seed)
    assert config.read_text() == before
    assert not (folder / "seeds" / "net.py").exists()
    config.write_text(text.replace('"seeds/residual_cnn.py"]', '"seeds/residual_cnn.py",  # the last\n]'))
    assert write_seed(folder, seed) == folder / "seeds" / "net.py"
    assert "seeds/net.py" in load(folder).seeds.files
