"""The backend that a `[[lm]]` table names."""

from __future__ import annotations

from pathlib import Path

from agent.lm.command import CommandLM
from agent.lm.embedded import EmbeddedLM
from agent.lm.openai import OpenAILM
from agent.lm.seam import LM
from agent.lm.settings import LMSettings
from agent.lm.transformers import TransformersLM


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
