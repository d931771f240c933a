"""The language model backends by name: the one that a `[[lm]]` table asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.lm import HANDED, LMSettings
from evoarch.agent.lm.base import LM, Complete, LMError, LMReply, LMRequest, one_by_one
from evoarch.evaluators.errors import PartError
from evoarch.evaluators.own_code import GIVEN, LANGUAGE_MODEL, NOTHING, Found, find, made, said

# Each is imported when a campaign asks for it: a client of servers and a local model take seconds to load.


def _command(settings: LMSettings, soft_prompts: Path | None) -> LM:
    from evoarch.agent.lm.command import CommandLM

    return CommandLM(settings)


def _openai(settings: LMSettings, soft_prompts: Path | None) -> LM:
    from evoarch.agent.lm.openai import OpenAILM

    return OpenAILM(settings)


def _transformers(settings: LMSettings, soft_prompts: Path | None) -> LM:
    from evoarch.agent.lm.local.transformers import TransformersLM

    return TransformersLM(settings, soft_prompts)


def _embedded(settings: LMSettings, soft_prompts: Path | None) -> LM:
    from evoarch.agent.lm.local.embedded import EmbeddedLM

    return EmbeddedLM(settings, soft_prompts)


BUILT_IN: Mapping[str, Callable[[LMSettings, Path | None], LM]] = {
    "command": _command,
    "embedded": _embedded,
    "openai": _openai,
    "transformers": _transformers,
}
"""evoarch's own backends (agent.config.lm.BACKENDS): what makes one, of its settings and the folder of soft
prompts."""


def build_lm(
    settings: LMSettings,
    soft_prompts: Path | None = None,
    folder: Path | None = None,
    given: Mapping[str, object] = NOTHING,
) -> LM:
    """The language model of a `[[lm]]` table. Nothing is loaded, connected or spent yet: `check` does that.

    `soft_prompts`: their folder. A path is relative to `folder`; `given` are objects that were handed over,
    by name. Raises UserError, one line, for a backend that is not there, does not hold or bears a built-in
    one's name.
    """
    try:
        if settings.backend == HANDED:
            found = Found(settings.name, _handed(settings.name, given), GIVEN)
        else:
            found = find(LANGUAGE_MODEL, settings.backend, BUILT_IN, folder)
        if not found.own:
            return BUILT_IN[settings.backend](settings, soft_prompts)
        lm = made(found, settings)
        problem = _problem(lm, settings)
    except PartError as error:
        raise UserError(f"[[lm]] {settings.name}: {error}") from None
    except Exception as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
        problem = said(error, found.path)
    if problem:
        raise UserError(f"[[lm]] {settings.name}: {found.place}: {problem}")
    return OwnLM(lm, found)


def refuse_unnamed(given: Mapping[str, object], tables: tuple[LMSettings, ...]) -> None:
    """Raises UserError for an object that was handed over and that no `[[lm]]` table asks for."""
    asked = {table.name for table in tables if table.backend == HANDED}
    for name in given:
        if name not in asked:
            raise UserError(
                f'{GIVEN}: lms: expected an [[lm]] table with name = "{name}" and backend = "{HANDED}"'
            )


def _handed(name: str, given: Mapping[str, object]) -> object:
    if name not in given:
        expected = f"expected a language model {name!r} in evoarch.run_campaign(lms=...)"
        raise PartError(f'backend "{HANDED}": {expected}, got {", ".join(given) or "none"}')
    return given[name]


class OwnLM:
    """A user's language model, whose replies are looked over: what it gives wrong is said of it by name."""

    def __init__(self, lm: LM, found: Found) -> None:
        self._lm, self._found = lm, found
        self.name, self.chat = lm.name, lm.chat

    async def check(self, complete: Complete | None = None) -> None:
        """The user's check and, of a backend that evoarch made, one short question, so that a wrong reply
        shows before the search begins. Raises LMError.
        """
        complete = complete or self.complete
        try:
            await self._lm.check(complete)
        except LMError:
            raise
        except Exception as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
            raise LMError(f"{self._found.place}: check: {said(error, self._found.path)}") from None
        if isinstance(self._found.value, type):
            prompt = "Say yes."
            messages = ({"role": "user", "content": prompt},) if self.chat else ()
            await complete(LMRequest("" if self.chat else prompt, messages, max_tokens=4))

    async def complete(self, request: LMRequest) -> LMReply:
        """The user's model's reply. Raises LMError where that is none, or where the model raises anything."""
        return await one_by_one(self._complete, request)

    async def _complete(self, request: LMRequest) -> LMReply:
        try:
            reply: object = await self._lm.complete(request)
        except LMError:
            raise
        except Exception as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
            raise LMError(f"{self._found.place}: complete: {said(error, self._found.path)}") from None
        if not isinstance(reply, LMReply):
            raise LMError(
                f"{self._found.place}: complete: expected an evoarch.LMReply, got {type(reply).__name__}"
            )
        texts: object = reply.texts
        if not isinstance(texts, tuple | list) or not all(isinstance(text, str) for text in texts):
            raise LMError(f"{self._found.place}: complete: texts: expected a tuple of texts, got {texts!r}")
        if len(reply.texts) > request.n or len(reply.texts) != len(reply.finish_reasons):
            got = f"{len(reply.texts)} and {len(reply.finish_reasons)}"
            raise LMError(
                f"{self._found.place}: complete: expected at most {request.n} texts with a finish reason "
                f"each, got {got}"
            )
        return reply

    async def close(self) -> None:
        """Closes the user's model."""
        await self._lm.close()


def _problem(lm: object, settings: LMSettings) -> str:
    """Why an object is no language model of the table's name, "" where it is one."""
    for part in ("name", "chat", "check", "complete", "close"):
        if not hasattr(lm, part):
            return f"{part}: expected, but it is not there (evoarch.LM says what a language model has)"
    for part, expected in (("name", settings.name), ("chat", settings.chat)):
        if (got := getattr(lm, part)) != expected:
            return f"{part}: expected {expected!r}, as its [[lm]] table says, got {got!r}"
    for part in ("check", "complete", "close"):
        if not callable(getattr(lm, part)):
            return f"{part}: expected an `async def`, got {getattr(lm, part)!r}"
    return ""
