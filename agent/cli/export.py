"""export: a candidate as a model file, a patch, weights, or a trained model for other tools."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from evoarch.agent.base.endings import refuse_other_ending
from evoarch.agent.base.errors import UserError, files_told
from evoarch.agent.cli.common import folder_argument, unsafe_option
from evoarch.agent.cli.trust import agree, trust_option

PYTHON, PATCH = (".py",), (".patch", ".diff")
"""How the names of what is written end."""


@click.command()
@folder_argument
@click.argument("identity", metavar="[ID]", type=int, required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="What is written.")
@click.option(
    "--file/--patch", "whole", default=True, help="One model file (default), or a diff for `git apply`."
)
@click.option(
    "--weights", type=click.Path(path_type=Path), metavar="FILE", help="Its trained weights, as safetensors."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["onnx", "torch-export", "state"]),
    help="In the place of source: the trained model for other tools, checked against its own answers.",
)
@click.option(
    "--int8", is_flag=True, help="With --format onnx: quantised too, as NAME.int8.onnx, and what that costs."
)
@click.option(
    "--optuna",
    "study",
    type=click.Path(path_type=Path),
    metavar="FILE.db",
    help="In the place of a candidate: the whole campaign as a study of Optuna.",
)
@unsafe_option
@trust_option
def export(
    folder: Path,
    identity: int | None,
    output: Path | None,
    whole: bool,
    weights: Path | None,
    form: str | None,
    int8: bool,
    study: Path | None,
    unsafe: bool,
    trust: bool,
) -> None:
    """Write a candidate's model file, which runs without evoarch, under a header that says what it is.

    With --patch: what it changes in the repository that its seed was added from (`evoarch seed add`). The
    model of such a seed is many files: -o NAME.zip. With --format: the trained model as one file for other
    tools: ONNX, a program of torch.export, or its weights (docs/deploy.md).

    \b
    Example:
      evoarch export demo 17 -o model.py --weights model.safetensors
      evoarch export demo 17 --patch -o winner.patch
      evoarch export demo 17 --format onnx --int8 -o model.onnx
      evoarch export demo --optuna demo.db
    """
    if study:
        _study(folder, study, identity, output)
        return
    if identity is None or output is None:
        missing = "ID, of a candidate" if identity is None else "-o FILE"
        raise UserError(f"export: expected {missing}; or --optuna FILE.db for the whole campaign")
    if form:
        if weights or not whole:
            raise UserError("--format: expected neither --weights nor --patch beside it")
        _deploy(folder, identity, output, form, int8=int8, unsafe=unsafe, trust=trust)
        return
    if int8:
        raise UserError("--int8: expected --format onnx beside it")
    _source(folder, identity, output, whole, weights)


def _study(folder: Path, path: Path, identity: int | None, output: Path | None) -> None:
    from evoarch.agent.cli.output import reading
    from evoarch.agent.deploy.optuna_study import write_study

    if identity is not None or output:
        raise UserError("--optuna: expected neither ID nor -o beside it: the whole campaign is written")
    store, config = reading(folder)
    click.echo(f"wrote {path}: {write_study(store, config, path)} trials of the study {config.campaign.name}")


def _source(folder: Path, identity: int, output: Path, whole: bool, weights: Path | None) -> None:
    from evoarch.agent.cli.candidate_views import find
    from evoarch.agent.cli.output import reading
    from evoarch.agent.report.export import copy_weights, model_archive, model_file
    from evoarch.agent.seeding.lineage import patch_of, repository_of

    wanted = (PYTHON, "a model file") if whole else (PATCH, "a patch")
    zipped = whole and output.suffix == ".zip"
    if not zipped:
        refuse_other_ending("-o", output, *wanted)
    if weights:
        refuse_other_ending("--weights", weights, (".safetensors",), "safetensors")
    store, config = reading(folder)
    candidate = find(store, identity)
    seed = repository_of(store, folder, config, candidate)
    if not whole:
        data = patch_of(store, folder, config, candidate)
    elif seed is None:
        refuse_other_ending("-o", output, *wanted)
        data = model_file(store, config, candidate, weights.name if weights else "").encode()
    elif zipped:
        data = model_archive(store, config, candidate, seed, weights.name if weights else "")
    else:
        raise UserError(
            f"#{identity} is a model of {len(seed.record.modules)} files: -o NAME.zip takes them all, "
            "--patch what it changes",
            code=1,
        )
    # The weights first: there may be none, and the model's header names them.
    if weights:
        copy_weights(store, candidate, weights)
        click.echo(f"wrote {weights}")
    with files_told(output):
        output.write_bytes(data)
    click.echo(f"wrote {output}")


def _deploy(
    folder: Path, identity: int, output: Path, form: str, *, int8: bool, unsafe: bool, trust: bool
) -> None:
    from evoarch.agent.base.formatting import printable
    from evoarch.agent.cli.candidate_views import find
    from evoarch.agent.cli.output import reading
    from evoarch.agent.config.trust import code_of
    from evoarch.agent.deploy.export import ENDINGS, LIMIT, STATE, refuse_missing
    from evoarch.agent.deploy.file import deploy_candidate

    refuse_other_ending("-o", output, (ENDINGS[form],), form)
    if int8 and form != "onnx":
        raise UserError(f"--int8: expected --format onnx beside it, got {form}")
    refuse_missing(form)
    store, config = reading(folder)
    candidate = find(store, identity)
    agree(folder, code_of(config, folder), trust=trust)
    found = asyncio.run(deploy_candidate(store, config, candidate, form, int8=int8, unsafe=unsafe))
    made = found.made
    with files_told(output):
        output.write_bytes(made.data)
    words = f": opset {made.opset}, batches of any size" if made.opset else ""
    click.echo(printable(f"wrote {output}{words}"))
    if found.again:
        click.echo("weights: trained again as in the archive, with the same error")
    if form != STATE:
        click.echo(
            f"logits: at most {made.apart:.1e} from the model's own on {made.examples} validation inputs "
            f"(limit {LIMIT:g})"
        )
    click.echo(f"error: {made.error:.4f}; in the archive {found.error:.4f}")
    if made.int8:
        small = output.with_suffix(".int8.onnx")
        with files_told(small):
            small.write_bytes(made.int8.data)
        click.echo(printable(f"wrote {small}"))
        click.echo(f"int8: error {made.int8.error:.4f}; more wrong than in float32: {made.int8.lost}")
