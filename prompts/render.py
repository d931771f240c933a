"""A typed context turned into prompt text by the template of its name."""

from __future__ import annotations

import hashlib
import json
import re
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.resources import files

from jinja2 import (
    BaseLoader,
    Environment,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    meta,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from evoarch.prompts.contexts import Context, Effect

SUFFIX = ".j2"


class PromptError(ValueError):
    """A template that can't be used, in one line: file, line and what is wrong."""


@dataclass(frozen=True)
class Override:
    """A campaign's own text for a template; `place` is its file, for messages."""

    text: str
    place: str


class Templates:
    """The built-in templates, some of them replaced by a campaign's own (name without suffix -> text).

    They may come with a campaign from somebody else, so they run in Jinja's sandbox: text, and no more.
    """

    def __init__(self, overrides: Mapping[str, Override] | None = None) -> None:
        self._overrides = dict(overrides or {})
        self._environment = _environment(self._overrides)

    def render(self, context: Context) -> str:
        """The text of `<name>.j2`, without a newline at its end.

        Raises PromptError for whatever goes wrong in it, a name that the context does not have before all.
        """
        name = template_of(type(context))
        values = {each.name: getattr(context, each.name) for each in fields(context)}
        try:
            return self._environment.get_template(f"{name}{SUFFIX}").render(values).rstrip("\n")
        except Exception as error:  # noqa: BLE001 a template is a program: it may divide by zero
            raise PromptError(self._line(name, error)) from None

    def digests(self) -> dict[str, str]:
        """sha256 of each template's text, by name: what a campaign's prompts were made with."""
        texts = {name: built_in(name) for name in names()}
        texts |= {name: override.text for name, override in self._overrides.items()}
        return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(texts.items())}

    def check(self, contexts: Mapping[str, Context]) -> None:
        """Render each of `contexts`, and look at the branches that none of them takes.

        Raises PromptError for the first template that does not hold.
        """
        known: dict[str, set[str]] = {}
        for context in contexts.values():
            known.setdefault(template_of(type(context)), set()).update(f.name for f in fields(context))
        for name, override in sorted(self._overrides.items()):
            try:
                tree = self._environment.parse(override.text, name, override.place)
                self._environment.get_template(f"{name}{SUFFIX}")
            except TemplateSyntaxError as error:
                raise PromptError(self._line(name, error)) from None
            if name in known:
                self._check_names(tree, override.place, known[name])
        for context in contexts.values():
            self.render(context)

    def _check_names(self, tree: nodes.Template, place: str, known: set[str]) -> None:
        unknown = meta.find_undeclared_variables(tree) - known
        for node in tree.find_all(nodes.Name):
            if node.name in unknown:
                expected = ", ".join(sorted(known))
                raise PromptError(
                    f"{place}:{node.lineno}: no value {node.name!r}; expected one of {expected}"
                )

    def _line(self, name: str, error: Exception) -> str:
        kind = type(error).__name__
        own = error.message if isinstance(error, TemplateError) else f"{kind}: {error}"
        said = " ".join((own or kind).split())
        if isinstance(error, TemplateSyntaxError):
            return f"{error.filename or self._place(name)}:{error.lineno}: {said}"
        if isinstance(error, TemplateNotFound):
            return f"{self._place(name)}: no template {said!r}"
        places = [
            frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(SUFFIX)
        ]
        where = f"{places[-1].filename}:{places[-1].lineno}" if places else self._place(name)
        return f"{where}: {said}"

    def _place(self, name: str) -> str:
        return self._overrides[name].place if name in self._overrides else f"{name}{SUFFIX}"


def template_of(context: type[Context]) -> str:
    """`RewriteChat` -> `rewrite_chat`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", context.__name__).lower()


def names() -> list[str]:
    """All built-in templates; those that begin with `_` are parts of others."""
    folder = files("evoarch.prompts") / "templates"
    return sorted(path.name.removesuffix(SUFFIX) for path in folder.iterdir() if path.name.endswith(SUFFIX))


def built_in(name: str) -> str:
    """The text of a built-in template."""
    return (files("evoarch.prompts") / "templates" / f"{name}{SUFFIX}").read_text(encoding="utf-8")


MOST_FIGURES = 10_000
"""From here on a value is shown whole."""


SHOWN_AS = {"error": "val_error"}
"""Metrics that a prompt calls otherwise than the archive: EvoPrompting's word."""


def metrics_text(metrics: Mapping[str, float]) -> str:
    """Metrics as a prompt shows them: a JSON object of strings, counts whole, errors to three places, others
    to four figures. `error` is called `val_error`, as in EvoPrompting's prompts.
    """
    ordered = [*(name for name in ("params", "error") if name in metrics), *metrics]
    return json.dumps({SHOWN_AS.get(name, name): value_text(name, metrics[name]) for name in ordered})


def value_text(name: str, value: float) -> str:
    """One metric as a prompt shows it, as in `metrics_text`."""
    if name == "error":
        return f"{value:.3f}"
    return f"{value:.0f}" if name == "params" or value >= MOST_FIGURES else f"{value:.4g}"


def offers_text(offers: Mapping[str, object]) -> str:
    """`input_shape = (40,), num_classes = 10`, a value of more than 60 characters shortened."""
    shown = {name: repr(value) for name, value in offers.items()}
    return ", ".join(f"{n} = {v if len(v) <= 60 else v[:57] + '...'}" for n, v in shown.items())


def table_text(rows: Sequence[Mapping[str, float]]) -> str:
    """Metrics of several models as a Markdown table, under the names of the first row."""
    cells = [json.loads(metrics_text(row)) for row in rows]
    names = list(cells[0]) if cells else []
    lines = [names, ["---"] * len(names), *([each.get(name, "") for name in names] for each in cells)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) if names else ""


MOST_NOTED = 200
"""Characters of a person's note that a prompt shows."""


def one_line(text: str, most: int = MOST_NOTED) -> str:
    """A note or a message as one comment line, whatever it was."""
    return " ".join(text.split())[:most]


def effect_text(effect: Effect) -> str:
    """`adds BatchNorm1d: error x 0.90 (0.85 to 0.95), 31 children`."""
    bounds = f"{effect.low:.2f} to {effect.high:.2f}"
    return f"{effect.change}: {effect.measure} x {effect.factor:.2f} ({bounds}), {effect.count} children"


class _Loader(BaseLoader):
    def __init__(self, overrides: Mapping[str, Override]) -> None:
        self._overrides = overrides

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, None]:  # never loaded again
        name = template.removesuffix(SUFFIX)
        if name in self._overrides:
            return self._overrides[name].text, self._overrides[name].place, None
        if name not in names():
            raise TemplateNotFound(template)
        return built_in(name), f"{name}{SUFFIX}", None


def _environment(overrides: Mapping[str, Override]) -> Environment:
    # Text in, text out: no template here makes HTML, and none may print an undefined name as nothing.
    environment = ImmutableSandboxedEnvironment(
        loader=_Loader(overrides), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["metrics"] = metrics_text
    environment.filters["one_line"] = one_line
    environment.filters["effect"] = effect_text
    environment.filters["offers"] = offers_text
    environment.filters["table"] = table_text
    return environment


BUILT_IN = Templates()


def render(context: Context) -> str:
    """The context in the built-in template of its name."""
    return BUILT_IN.render(context)
