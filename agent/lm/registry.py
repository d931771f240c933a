"""The backend that a `[[lm]]` table names."""

from __future__ import annotations

from pathlib import Path

from evoarch.agent.config.lm import LMSettings
from evoarch.agent.lm.base import LM
from evoarch.agent.lm.command import CommandLM
from evoarch.agent.lm.local.embedded import EmbeddedLM
from evoarch.agent.lm.local.transformers import TransformersLM
from evoarch.agent.lm.openai import OpenAILM


def build_lm(settings: LMSettings, soft_prompts: Path | None = None) -> LM:
    """Nothing is loaded, connected or spent yet: `check` does that. `soft_prompts`: their folder."""
    match settings.backend:
        case "command":
            return CommandLM(settings)
        case "openai":
            return OpenAILM(settings)
        case "transformers":
            return TransformersLM(settings, soft_prompts)
        case "embedded":
            return EmbeddedLM(settings, soft_prompts)
