"""One `[[lm]]` table: which language model, where it is and what it costs."""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from evoarch.agent.config.table import KeyUnit, Seconds, Tokens
from evoarch.evaluators.own_code import LANGUAGE_MODEL, file_and_name, installed

BACKENDS = ("openai", "transformers", "embedded", "command")
"""The built-in backends (agent/lm/registry.py)."""

HANDED = "given"
"""The backend of a table whose language model is an object handed to `evoarch.run_campaign`."""

SENT = frozenset({"model", "messages", "prompt", "n", "max_tokens", "max_completion_tokens", "stream"})
"""Of a request's body, what counts and costs depend on."""


class LMSettings(BaseModel):
    """A language model: which, where it is and what it costs (docs/language-models.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    backend: str = Field(default="embedded", min_length=1)
    """`openai`: any OpenAI-compatible server. `transformers`: a model folder or GGUF file on this machine.
    `embedded`: SmolLM2-135M. `command`: a program. Your own: FILE.py:CLASS or an installed package's name,
    made with these settings, or `given`, an object that `evoarch.run_campaign` is handed under the table's
    name."""
    name: str = ""
    """What operators refer to and what stands in the archive. "": the model, else its file or program."""
    model: str = ""
    """The model's name at the server; required with `openai`."""
    base_url: str | None = None
    """The server's URL. Without it: OPENAI_BASE_URL, else api.openai.com."""
    key_env: str = "OPENAI_API_KEY"
    """The environment variable with the key; "": none."""
    path: Path | None = None
    """A model folder or a GGUF file, for `transformers`."""
    command: tuple[str, ...] = ()
    """For `command`: a program and its arguments, run once a sample with the prompt on its standard input."""
    chat: bool = False
    """Whether the model is a chat model: it gets messages, a base model a text to go on with."""
    concurrency: Annotated[int, KeyUnit("calls at a time")] = Field(default=4, ge=1)
    """The most calls under way."""
    retries: Annotated[int, KeyUnit("attempts")] = Field(default=4, ge=0)
    """Further attempts of a call that failed."""
    timeout: Seconds = Field(default=120.0, gt=0)
    """Of one attempt."""
    price_prompt: Annotated[float, KeyUnit("money per million tokens")] = Field(default=0.0, ge=0)
    """The price of a prompt's tokens."""
    price_completion: Annotated[float, KeyUnit("money per million tokens")] = Field(default=0.0, ge=0)
    """The price of a completion's tokens."""
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The name under which `max_tokens` is sent, for endpoints that differ."""
    omit: tuple[Literal["n", "temperature", "top_p", "seed", "stop", "system"], ...] = ()
    """What is not sent, for endpoints that refuse it. `system`: its text stands in the user's first
    message."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Added to the body of each request."""
    max_tokens: Tokens = Field(default=4096, ge=1)
    """The most tokens one sample may take: requests above it are lowered."""
    threads: Annotated[int, KeyUnit("threads")] = Field(default=1, ge=1)
    """Threads of a local model; evaluations get the rest of the machine."""
    device: str = Field(default="cpu", pattern=r"^(cpu|cuda(:\d{1,3})?)$")
    """Of a local model: `cpu`, in float32, or `cuda`, `cuda:1`, in bfloat16 where that GPU has it."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        return {**data, "name": data.get("name") or named(data)} if isinstance(data, dict) else data

    @field_validator("backend")
    @classmethod
    def _known(cls, backend: str) -> str:
        if backend in (*BACKENDS, HANDED) or file_and_name(backend) or backend in installed(LANGUAGE_MODEL):
            return backend
        expected = ", ".join(map(repr, (*BACKENDS, HANDED)))
        raise ValueError(f"expected {expected}, FILE.py:CLASS or an installed package's backend")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.backend == "openai" and not self.model:
            raise ValueError('backend "openai" needs model, e.g. model = "gpt-4.1-mini"')
        if self.backend == "transformers" and self.path is None:
            raise ValueError('backend "transformers" needs path, a model folder or a GGUF file')
        if self.backend == "command" and not self.command:
            raise ValueError('backend "command" needs command, e.g. command = ["llm", "-m", "some-model"]')
        if self.device != "cpu" and self.backend in ("openai", "command"):
            raise ValueError(f'device is for local models; backend "{self.backend}" computes elsewhere')
        if self.base_url and "@" in self.base_url.split("://", 1)[-1].partition("/")[0]:
            raise ValueError("base_url holds a user or password: set the variable that key_env names instead")
        if self.base_url and (problem := url_problem(self.base_url)):
            raise ValueError(f"base_url: {problem}")
        if taken := set(self.extra) & SENT:
            raise ValueError(f"extra: {', '.join(sorted(taken))}: expected what evoarch does not send itself")
        return self

    def key(self) -> str:
        """The key, without what a file that held it left around it: a line's end is no part of it."""
        return (os.environ.get(self.key_env, "") if self.key_env else "").strip()

    def without_key(self, text: str) -> str:
        """`text` with the key, in any form in which it can be read back, made unreadable.

        A key of fewer than SHORTEST_KEY characters is a placeholder, which stands in ordinary words.
        """
        key = self.key()
        return re.sub(_forms(key), "***", text) if len(key) >= SHORTEST_KEY else text


SHORTEST_KEY = 8
"""Characters of a key that is a secret: "none", "EMPTY" and "ollama" are not."""

_GAP = r"[\s\u200b-\u200d\u2060\ufeff]*"
"""What may stand between the characters of a key that is still read as one."""


@cache
def _forms(key: str) -> re.Pattern[str]:
    """Finds `key` in a text: also spaced, in other case, backwards, escaped or encoded."""
    data = key.encode()
    plain = [key, key[::-1], repr(key)[1:-1], json.dumps(key)[1:-1], quote(key, safe=""), data.hex()]
    # In Base64, a text looks in three ways, by where it begins within three bytes; its ends may be shared.
    whole = [b64encode(bytes(shift) + data + bytes(-(shift + len(data)) % 3)) for shift in range(3)]
    shared = [(-(-4 * shift // 3), -(-4 * (-(shift + len(data)) % 3) // 3)) for shift in range(3)]
    inner = [each[first : len(each) - last] for each, (first, last) in zip(whole, shared, strict=True)]
    encoded = [each.translate(table) for each in inner for table in (None, bytes.maketrans(b"+/", b"-_"))]
    forms = sorted({*plain, *(each.decode() for each in encoded)}, key=len, reverse=True)
    return re.compile("|".join(_GAP.join(map(re.escape, form)) for form in forms), re.IGNORECASE)


def named(data: Mapping[str, Any]) -> str:
    """What a table without a name is called: its model, its file, its program or its own backend, else the
    embedded model.
    """
    if file_and_name(backend := str(data.get("backend") or "embedded")) or backend not in BACKENDS:
        return str(data.get("model") or backend.rpartition(":")[2])
    command = data.get("command")
    # Of another type, it is refused once the table has a name.
    program = command[0] if isinstance(command, list | tuple) and command else ""
    return str(
        data.get("model")
        or Path(str(data.get("path") or "")).stem
        or Path(str(program)).name
        or "SmolLM2-135M"
    )


def url_problem(url: str) -> str:
    """Why no client can call `url`, in one line without what it may hold of secrets; "" where one can."""
    import httpx2  # here: most campaigns name no URL, and this takes its time

    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        parsed = httpx2.URL()
    port = 80 if parsed.port is None else parsed.port
    if parsed.scheme in ("http", "https") and parsed.host and 0 < port < 1 << 16:
        return ""
    got = 'one with "@" in it, not shown' if "@" in url else repr(url.partition("?")[0])
    return f"expected http://HOST:PORT/PATH, or https, the port a number, got {got}"
