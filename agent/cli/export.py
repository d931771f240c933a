"""export: a candidate as a model file, a patch, weights."""

from __future__ import annotations

from pathlib import Path

import click

from evoarch.agent.base.endings import refuse_other_ending
from evoarch.agent.base.errors import UserError, files_told
from evoarch.agent.cli.common import folder_argument, id_argument

PYTHON, PATCH = (".py",), (".patch", ".diff")
"""How the names of what is written end."""


@click.command()
@folder_argument
@id_argument
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE")
@click.option(
    "--file/--patch", "whole", default=True, help="One model file (default), or a diff for `git apply`."
)
@click.option(
    "--weights", type=click.Path(path_type=Path), metavar="FILE", help="Its trained weights, as safetensors."
)
def export(folder: Path, identity: int, output: Path, whole: bool, weights: Path | None) -> None:
    """Write a candidate's model file, which runs without evoarch, under a header that says what it is.

    With --patch: what it changes in the repository that its seed was added from (`evoarch seed add`). The
    model of such a seed is many files: -o NAME.zip.

    \b
    Example:
      evoarch export demo 17 -o model.py --weights model.safetensors
      evoarch export demo 17 --patch -o winner.patch
    """
    from evoarch.agent.cli.candidate_views import find
    from evoarch.agent.cli.output import reading
    from evoarch.agent.report.export import copy_weights, model_archive, model_file
    from evoarch.agent.seeding.lineage import patch_of, repository_of

    refuse_other_ending("-o", output, *((PYTHON, "a model file") if whole else (PATCH, "a patch")))
    if weights:
        refuse_other_ending("--weights", weights, (".safetensors",), "safetensors")
    store, config = reading(folder)
    candidate = find(store, identity)
    seed = repository_of(store, folder, config, candidate)
    if not whole:
        data = patch_of(store, folder, config, candidate)
    elif seed is None:
        data = model_file(store, config, candidate, weights.name if weights else "").encode()
    elif output.suffix == ".zip":
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
