"""What a server's answer holds: texts, reasons and counts of a completion, or in words what came instead."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evoarch.agent.lm.base import LMRequest

UNFIT = (400, 413, 422)
"""Codes of a server that can't take this very request: a prompt beyond its context, for one."""

UNFIT_TYPE = "invalid_request_error"
"""What OpenAI's errors of code 400 call themselves."""

CHARACTERS_A_TOKEN = 3
"""For the estimate of tokens that a server does not count: code's upper bound."""

MOST_CHARACTERS_A_TOKEN = 6
"""No tokenizer gets there with code (SmolLM2: 2.2 to 2.4 in the archives of results/): a server that counts
less has cut the prompt."""

LONG_PROMPT = 1500
"""Characters from which on a count of tokens says something about a cut."""

MOST_TOKENS = 1 << 53
"""That a server may say it counted: beyond, a number is no count."""

SURELY_LESS = 0.6
"""Of our own count of an answer's tokens: a server's count below it leaves out samples."""

TELLING = 300
"""Characters of a prompt from which its tokens tell what an answer's are: both are mostly code."""

MOST_READ = 8000
"""Characters of an answer that is no completion, of which the first words are shown."""

PAGE = re.compile(r"<(!doctype|html|head|title|body|h1|center)\b", re.IGNORECASE)

SENTENCES = ("error", "message", "detail", "msg", "error_description")
"""Under which servers say what went wrong, in this order."""

REASONING = ("reasoning_content", "reasoning", "reasoning_details", "thinking")
"""Where servers put what a model thought before its answer."""


class NoCompletionError(Exception):
    """The answer is no completion. Says in one line what came instead."""


@dataclass(frozen=True)
class Answer:
    """`problem`: why there are no texts. `empty`: of each text that is empty, by its index, what came
    instead and what to set. `refused`: the server can't take this very request. `cut`: it counted fewer
    prompt tokens than it was sent. `unanswered`: attempts before it that may have been counted.
    """

    texts: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    problem: str = ""
    empty: Mapping[int, str] = field(default_factory=dict)
    refused: bool = False
    cut: bool = False
    unanswered: int = 0


def read_answer(content: bytes, kind: str, request: LMRequest, unanswered: int) -> Answer:
    """The answer to one HTTP request: `content`, whose type the server calls `kind`.

    What is there of a half broken answer is kept. Without usage, tokens are estimated. Raises
    NoCompletionError.
    """
    body = _parsed(content)
    if not isinstance(body, dict):
        raise NoCompletionError(_no_completion(content, kind, body))
    found, error = body.get("choices", ()), body.get("error")
    choices = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    samples = [_text(choice) for choice in choices]
    if error and not any(samples):
        if isinstance(error, dict) and (error.get("code") in UNFIT or error.get("type") == UNFIT_TYPE):
            return refusal(sentence(error), unanswered)
        raise NoCompletionError(_instead("an error", kind, sentence(error)))
    if not isinstance(found, list | None):
        raise NoCompletionError(_no_completion(content, kind, body))
    usage = body.get("usage")
    counts = [_count(usage, name) for name in ("prompt_tokens", "completion_tokens")]
    characters = [sent(request), sum(map(len, samples))]
    estimates = [-(-each // CHARACTERS_A_TOKEN) for each in characters]
    prompt, completion = (e if c is None else c for c, e in zip(counts, estimates, strict=True))
    own = _own_count(characters[1], characters[0], prompt)
    # llama.cpp counts one of several samples.
    partly = len(samples) > 1 and completion < SURELY_LESS * own
    completion = own if partly else completion
    return Answer(
        tuple(samples),
        tuple(str(choice.get("finish_reason") or "stop") for choice in choices),
        prompt,
        completion,
        estimated=None in counts or partly,
        problem="" if samples else "the server answered with no choices",
        empty={i: why for i, choice in enumerate(choices) if (why := _elsewhere(choice, samples[i]))},
        cut=LONG_PROMPT <= characters[0] > MOST_CHARACTERS_A_TOKEN * (counts[0] or MOST_TOKENS),
        unanswered=unanswered,
    )


def _own_count(characters: int, asked: int, tokens: int) -> int:
    """Tokens of an answer of so many `characters`, where a prompt of `asked` ones took `tokens`."""
    rate = tokens / asked if asked >= TELLING else 1 / CHARACTERS_A_TOKEN
    return round(characters * min(1.0, max(1 / MOST_CHARACTERS_A_TOKEN, rate)))


def cut_off(request: LMRequest, n: int, limit: int, unanswered: int) -> Answer:
    """Nothing but what the model reasoned, up to the limit; the server may have counted all of it."""
    prompt = -(-sent(request) // CHARACTERS_A_TOKEN)
    return Answer(("",) * n, ("length",) * n, prompt, n * limit, estimated=True, unanswered=unanswered)


def refusal(said: str, unanswered: int) -> Answer:
    """No texts, since the server can't take this request; `said`: why, in its words."""
    return Answer(problem=f"the server refused the request: {said}", refused=True, unanswered=unanswered)


def sent(request: LMRequest) -> int:
    """Characters of a request's prompt or messages."""
    return len(request.prompt) + sum(len(each["content"]) for each in request.messages)


def sentence(body: object, depth: int = 5) -> str:
    """What a server says in its own words: of an error in JSON its message, of a page its visible text."""
    if isinstance(body, str):
        return _words(body)
    if isinstance(body, dict):
        body = [body[name] for name in SENTENCES if name in body]
    if isinstance(body, list) and depth:
        return next(filter(None, (sentence(each, depth - 1) for each in body)), "")
    return ""


def _no_completion(content: bytes, kind: str, body: object) -> str:
    text = content[: 4 * MOST_READ].decode("utf-8", "replace").strip()
    if not text:
        return _instead("an empty answer", kind, "")
    if body is not None:
        keys = ", ".join(body) if isinstance(body, dict) else ""
        return _instead("JSON without choices", kind, sentence(body) or keys or text)
    if kind == "text/event-stream" or re.match(r"(data|event|id|retry)?:", text):
        events = [each for line in text.splitlines() if (each := line.removeprefix("data:").strip())]
        said = next(filter(None, (sentence(_parsed(each.encode())) for each in events)), "")
        return _instead("an event stream that was not asked for", kind, said or text)
    if PAGE.search(text[:1000]):
        return _instead("a web page", kind, sentence(text))
    return _instead("text that is no JSON", kind, text)


def _instead(what: str, kind: str, said: str) -> str:
    shown = " ".join(said[:MOST_READ].split())
    return f"got {what} ({kind or 'of no type'}){': ' if shown else ''}{shown}"


def _words(text: str) -> str:
    """A page's visible text; other texts as they are."""
    text = text[:MOST_READ]
    if PAGE.search(text):
        text = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^<>]*>", " ", text)
    return " ".join(html.unescape(text).split())


def _parsed(content: bytes) -> Any:
    """The JSON in `content`, None where there is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _message(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a choice holds its text: a chat's message, or the choice itself."""
    message = choice.get("message")
    return message if isinstance(message, dict) else choice


def _text(choice: Mapping[str, Any]) -> str:
    """A choice's text, whole or in parts; a part that is no answer (what the model thought) is left out.

    Without a text, code that the model handed to a tool which nobody offered.
    """
    content = _message(choice).get("content", choice.get("text"))
    texts = [
        part.get("text") if isinstance(part, dict) and part.get("type", "text") in TEXT else part
        for part in (content if isinstance(content, list) else [content])
    ]
    said = "".join(text for text in texts if isinstance(text, str))
    return said if said.strip() else _handed_code(_message(choice)) or said


def _handed_code(message: Mapping[str, Any]) -> str:
    """The longest text of several lines in the arguments of a message's tool calls, "" for none."""
    calls = message.get("tool_calls")
    rows = calls if isinstance(calls, list) else []
    rows = [each.get("function") for each in rows if isinstance(each, dict)]
    found = [""]
    for row in (*rows, message.get("function_call")):
        given = row.get("arguments") if isinstance(row, dict) else None
        values = _parsed(given.encode("utf-8", "replace")) if isinstance(given, str) else given
        if isinstance(values, dict):
            found += [each for each in values.values() if isinstance(each, str) and "\n" in each]
    return max(found, key=len)


TEXT = ("text", "output_text")
"""Types of a content's parts that belong to the answer."""


def _elsewhere(choice: Mapping[str, Any], text: str) -> str:
    """Of an empty text: where the model's answer stands instead, and what to set; "" where nothing does."""
    if text.strip():
        return ""
    message = _message(choice)
    content = message.get("content")
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    refused = [message.get("refusal"), *(part.get("refusal") for part in parts)]
    if said := next((each for each in refused if isinstance(each, str) and each), ""):
        return (
            f"the model refused ({_shortened(said)}); set [[lm]] model to another one, or change the prompt"
        )
    if choice.get("error"):
        return f"the server gave an error for it ({_shortened(sentence(choice['error']))})"
    for place in ("tool_calls", "function_call"):
        if message.get(place):
            return f'the model answered in {place}; set [[lm]] extra = {{ tool_choice = "none" }}'
    thought = [place for place in REASONING if message.get(place)]
    thought += [str(part["type"]) for part in parts if part.get("type") in ("thinking", "reasoning")]
    if thought:
        return (
            f"all that the model wrote stands in {thought[0]}; set [[operators]] max_tokens higher, or less "
            'reasoning by [[lm]] extra, e.g. { reasoning_effort = "low" }'
        )
    return ""


def _shortened(text: str) -> str:
    return " ".join(text.split())[:150]


def _count(usage: Any, name: str) -> int | None:
    """A number of tokens that a server counted, None where it says none that can be (or can be stored)."""
    found = usage.get(name) if isinstance(usage, dict) else None
    return found if isinstance(found, int) and 0 <= found <= MOST_TOKENS else None
