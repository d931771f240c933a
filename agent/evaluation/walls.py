"""The walls of a campaign: which level this machine must offer, and a warm zygote at it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.measuring import SandboxTable
from evoarch.evaluators.registry import program_for
from evoarch.evaluators.task import Task
from evoarch.sandbox.device import Device
from evoarch.sandbox.environment import InterpreterError, environment_of
from evoarch.sandbox.frozen import FrozenImportError, FrozenModules
from evoarch.sandbox.job import Program, Runner
from evoarch.sandbox.level import LevelReport
from evoarch.sandbox.limits import Level
from evoarch.sandbox.runner import SandboxUnavailableError, ZygoteLostError, start
from evoarch.sandbox.slots import OnDevices


def choose_level(report: LevelReport, wanted: str, *, unsafe: bool) -> Level:
    """The level to run at. Raises UserError where the system offers less and nobody said unsafe."""
    if Level(wanted) is Level.NONE and unsafe:
        return Level.NONE
    if report.level is Level.NONE and not unsafe:
        raise UserError(
            f"this system offers no isolation ({'; '.join(report.reasons)}); {report.advice}; "
            "--unsafe runs generated code with all your rights"
        )
    if not unsafe and not report.level.at_least(Level(wanted)):
        raise UserError(
            f"sandbox.level: expected at least {wanted}, this system offers {report.level}: "
            f"{'; '.join(report.reasons)}; {report.advice}"
        )
    return report.level


async def open_walls(
    level: Level,
    task: Task,
    table: SandboxTable | None = None,
    devices: Sequence[Device] = (),
    frozen: FrozenModules | None = None,
    program: Program | None = None,
    packages: Sequence[str] = (),
) -> Runner:
    """A warm zygote at `level` that holds the task's inside program, the modules that are allowed and the
    `frozen` ones; its children take turns on the slots of `devices`, if there are any. `program`: in the
    place of the task's own; `packages`: modules that it needs beside torch.
    """
    table = table or SandboxTable()
    if devices and level is Level.CONTAINER:
        if table.level != "landlock":
            raise UserError(
                f"evaluation.device: {devices[0].label}: a container shows no device; "
                'expected sandbox.level = "landlock"'
            )
        level = Level.LANDLOCK
    try:
        modules = (*table.imports, *table.preload)
        asked = (*modules, *packages, *(frozen.imports if frozen else ()))
        runner = await start(
            program or program_for(task),
            level=level,
            unsafe=level is Level.NONE,
            packages=environment_of(table.python).providers(asked),
            preload=modules,
            python=table.python,
            devices=devices,
            frozen=frozen,
        )
        return OnDevices(runner, devices) if devices else runner
    except FrozenImportError as error:
        raise UserError(str(error), code=1) from error
    except InterpreterError as error:
        raise UserError(f"sandbox.{error}") from None
    except (SandboxUnavailableError, ZygoteLostError) as error:
        raise UserError(f"sandbox: {error}", code=1) from None
    except PackageNotFoundError as error:
        raise UserError(f"sandbox.imports: {error}; expected an installed distribution") from None
