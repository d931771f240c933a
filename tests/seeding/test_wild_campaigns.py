"""Ten public models, one block of each evolved: a campaign by rule, a patch, and the package works with it.

Each package is copied into a repository, with its file made awkward: nothing but what the winner changed may
change in it. Models of packages that are not installed are skipped.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from evoarch.agent.seeding.arguments import arguments
from evoarch.agent.seeding.texts import FileText, lines_of
from evoarch.archive.records import State
from evoarch.archive.store import open_archive
from evoarch.evaluators.task import Recipe
from evoarch.evaluators.tasks import digits
from kit.command import new_campaign, output_of

EVALUATIONS = 12


@dataclass(frozen=True)
class Model:
    """`entry` is a class of `module`; `block`, of `home`, evolves. `form` is what becomes of that file.

    The package's own users call the entry with `kwargs` and `own`, and examples of `shape`.
    """

    form: str
    module: str
    entry: str
    block: str
    kwargs: tuple[str, ...]
    own: dict[str, object]
    shape: tuple[int, ...] = (1, 8, 8)
    home: str = ""
    below: str = ""
    """The folder of the repository that the package is put in."""

    @property
    def file(self) -> str:
        """The block's."""
        return self.path(self.home or self.module)

    def path(self, module: str) -> str:
        return f"{self.below}{module.replace('.', '/')}.py"


SMALL = ("dim=16", "depth=1", "patch_size=4")
VIT = (*SMALL, "heads=2", "mlp_dim=16")
OURS: dict[str, object] = {"num_classes": 10, "channels": 1, "image_size": 8}
MODELS = {
    model.form: model
    for model in (
        Model(
            "CRLF", "timm.models.starnet", "StarNet", "Block",
            ("base_dim=8", "depths=[1, 1, 1, 1]"), {"num_classes": 10, "in_chans": 1},
        ),
        Model(
            "mixed line ends", "timm.models.mlp_mixer", "MlpMixer", "MixerBlock",
            ("patch_size=4", "num_blocks=1", "embed_dim=16"),
            {"num_classes": 10, "in_chans": 1, "img_size": 8},
        ),
        Model(
            "form feeds", "torchvision.models.shufflenetv2", "shufflenet_v2_x0_5", "InvertedResidual",
            (), {"num_classes": 10}, (3, 8, 8),
        ),
        Model(
            "NEL", "torchvision.models.vision_transformer", "VisionTransformer", "EncoderBlock",
            ("patch_size=4", "num_layers=1", "num_heads=2", "hidden_dim=16", "mlp_dim=16"),
            {"num_classes": 10, "image_size": 8}, (3, 8, 8),
        ),
        Model(
            "byte order mark", "pytorchcv.models.resnet_cifar", "CIFARResNet", "ConvBlock",
            ("channels=[[8], [8], [8]]", "init_block_channels=8", "bottleneck=False"),
            {"num_classes": 10, "in_channels": 1}, (1, 32, 32), home="pytorchcv.models.common.conv",
        ),
        Model("tabs", "vit_pytorch.simple_vit", "SimpleViT", "FeedForward", VIT, OURS),
        Model("no final newline", "vit_pytorch.vit", "ViT", "Attention", VIT, OURS),
        Model(
            "a path that is not ASCII", "mlp_mixer_pytorch.mlp_mixer_pytorch", "MLPMixer", "PreNormResidual",
            SMALL, OURS, below="mod\u00e8les/",
        ),
        Model(
            "another encoding", "g_mlp_pytorch.g_mlp_pytorch", "gMLPVision", "SpatialGatingUnit", SMALL, OURS
        ),
        Model(
            "CRLF but for one line", "pytorch_tabnet.tab_network", "TabNetNoEmbeddings", "GLU_Layer",
            ("output_dim=10", "n_steps=1"), {"input_dim": 64}, (64,),
        ),
    )
}  # fmt: skip


def tabs(text: str) -> str:
    return "".join(
        "\t" * (depth // 4) + " " * (depth % 4) + line[depth:]
        for line in lines_of(text)
        for depth in [len(line) - len(line.lstrip(" "))]
    )


def mixed(text: str) -> str:
    lines = enumerate(lines_of(text))
    return "".join(line if n % 3 else line.replace("\n", "\r\n") for n, line in lines)


def feeds(text: str) -> str:
    return re.sub(r"\n\n( *)(def|class) ", r"\n\f\n\1\2 ", text)


def nel(text: str) -> str:
    return re.sub(r"\n( +)def forward", "\n\\1# a\x85b\u2028c\u2029d\n\\1def forward", text)


FORMS: dict[str, Callable[[str], bytes]] = {
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "mixed line ends": lambda text: mixed(text).encode(),
    "form feeds": lambda text: feeds(text).encode(),
    "NEL": lambda text: nel(text).encode(),
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "tabs": lambda text: tabs(text).encode(),
    "no final newline": lambda text: text.rstrip("\n").encode(),
    "a path that is not ASCII": str.encode,
    "another encoding": lambda text: f"# coding: latin-1\n# \u00e9t\u00e9\n{text}".encode("latin-1"),
    "CRLF but for one line": lambda text: text.replace("\n", "\r\n").replace("\r\n", "\n", 1).encode(),
}


def repository_of(model: Model, root: Path) -> Path:
    """A repository with a copy of the package in it, its file in the model's form."""
    package = model.module.partition(".")[0]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    if package == "vit_pytorch" and importlib.util.find_spec("torchvision") is None:
        pytest.skip("vit_pytorch imports torchvision, which is not installed")
    below = root / model.below
    shutil.copytree(
        next(iter(spec.submodule_search_locations)),
        below / package,
        ignore=shutil.ignore_patterns("__pycache__", "*.so"),
    )
    file = root / model.file
    text = "".join(line.rstrip("\r\n") + "\n" for line in lines_of(FileText(file.read_bytes()).text))
    file.write_bytes(FORMS[model.form](text))
    assert file.read_bytes() != text.encode() or not model.file.isascii()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def campaign(folder: Path) -> Path:
    """A campaign on digits without other seeds and without whole random files."""
    new_campaign(folder, "--task", "digits", "--evaluations", str(EVALUATIONS))
    config = folder / "campaign.toml"
    text = config.read_text()
    text = text[: text.index("[[operators]]             # draws")]
    text = re.sub(r"files = \[[^\]]*\]", "files = []", text).replace("repeats = 3", "repeats = 1")
    if importlib.util.find_spec(
        "torchvision_operators"
    ):  # beside a torch whose library torchvision can't load
        text = text.replace("imports = []", 'imports = []\npreload = ["torchvision_operators"]')
    config.write_text(text.replace("race = 20", "race = 0"))
    return folder


USE = """
import importlib, json, sys
try:
    import torchvision_operators
except ImportError:
    pass
root, module, entry, kwargs, shape = json.loads(sys.argv[1])
sys.path.insert(0, root)
import torch
found = importlib.import_module(module)
assert found.__file__.startswith(root), found.__file__
answer = getattr(found, entry)(**kwargs).eval()(torch.zeros(2, *shape))
print(tuple((answer[0] if isinstance(answer, tuple) else answer).shape))
"""


def used(model: Model, root: Path) -> str:
    """What the package says of itself: it is imported from the repository, and one forward pass is made."""
    kwargs = {**arguments(model.kwargs), **model.own}
    asked = [str(root / model.below), model.module, model.entry, kwargs, model.shape]
    done = subprocess.run(
        [sys.executable, "-c", USE, json.dumps(asked)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.suffix == ".py"
    }


def without_form(line: bytes) -> bytes:
    return line.replace(b"\r", b"").replace(b"\f", b"")


def assert_only_the_block_changed(before: bytes, after: bytes, start: int, end: int) -> None:
    """Lines `start` to `end` (from 1, inclusive) may differ, and in them whole statements alone: no line
    is another one only by its end, its form feed or its indentation.
    """
    old, new = before.split(b"\n"), after.split(b"\n")
    tail = len(old) - end
    assert new[: start - 1] == old[: start - 1]
    assert tail == 0 or new[-tail:] == old[-tail:]
    bare = difflib.SequenceMatcher(None, [*map(without_form, old)], [*map(without_form, new)], autojunk=False)
    for tag, i, j, k, m in bare.get_opcodes():
        assert tag != "equal" or old[i:j] == new[k:m]


SLOW, LONG = pytest.mark.slow, pytest.mark.long
PINNED = "byte order mark"
"""Of a package that every installation for the tests has."""


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=SLOW if form == PINNED else LONG) for form in MODELS]
)
def test_one_block_of_a_public_model_evolves_and_returns_as_a_patch(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = MODELS[form]
    root = repository_of(model, tmp_path / "repo")
    before = files(root)
    # What is shown here does not depend on how long a child trains.
    monkeypatch.setitem(digits.RECIPES, "fast", Recipe("fast", rate=0.01, steps=20, batch=32))
    folder = campaign(tmp_path / "campaign")
    given = [option for value in model.kwargs for option in ("--kwargs", value)]
    said = output_of(
        "seed", "add", str(folder), f"{root / model.path(model.module)}:{model.entry}",
        "--evolve", model.block, "--name", "wild", "--yes", *given,
    )  # fmt: skip
    assert "proof: its patch is empty; parameters" in said
    output_of("run", str(folder), "--set", "constraints.error=0.99", "--set", "evaluation.workers=1")

    with open_archive(folder, write=False) as store:
        scored = [c for c in store.candidates() if c.parents and c.state is State.SCORED]
    assert len(scored) >= EVALUATIONS // 2
    winner = min(scored, key=lambda c: c.metrics["error"])
    patch = tmp_path / "winner.patch"
    output_of("export", str(folder), str(winner.id), "--patch", "-o", str(patch))
    for options in (["--check"], ["--whitespace=nowarn"]):
        done = subprocess.run(
            ["git", "apply", *options, str(patch)], cwd=root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    record = json.loads((folder / "seeds" / "wild.json").read_text())
    (opened,) = record["opened"]
    assert opened["file"] == model.file
    after = files(root)
    assert [name for name in after if after[name] != before.get(name)] == [model.file]
    assert_only_the_block_changed(before[model.file], after[model.file], opened["start"], opened["end"])
    assert used(model, root) == "(2, 10)"
