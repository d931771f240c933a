"""`lm.repair`: a child that failed or was rejected, and what was found, written again so that it works.

A base model writes one statement again where a finding names a line, and the whole class otherwise.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from evoarch.agent.lm.base import Complete
from evoarch.agent.operators.base import BrokenParent, Draft, Order, operator
from evoarch.agent.operators.lm.drafts import LAYER_STOPS, LINE_STOPS, LMOperator, refused, unsaid
from evoarch.prompts.any_form import EDITS, FILE, read
from evoarch.prompts.contexts import Repair, RepairChat, RepairStatement
from evoarch.prompts.outline import header, merged, outline
from evoarch.prompts.replies import Parsed, completed
from evoarch.prompts.span_replies import spanned
from evoarch.prompts.spans import LAYER, STATEMENT, SourceSpan, find
from evoarch.sandbox.genome import strip_prose
from evoarch.sandbox.parsing import GenomeError

LINE_TOKENS = 64
"""Tokens of one statement."""

_PLACE = re.compile(r"^(\d+):\d+ |\(line (\d+)\b")
_WRONG_NAME = re.compile(r"has no attribute '(\w+)'")
"""A base model that reads a wrong name writes it again."""

_MODULE = re.compile(r"\bin (\w+)(?:\.[\w.]+)?[,)]")


@operator
@dataclass(frozen=True)
class LMRepair(LMOperator):
    """Draws `samples` mended versions of `order.broken`, whose parents are those of the order."""

    samples: int = 4
    name: str = "lm.repair"
    arity: int = 1

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts. Raises LMError when the call itself failed, never for what it answered."""
        broken = order.broken
        if broken is None:
            return refused(order, "expected a child that failed and was not mended yet, there is none")
        change = f"mends {broken.id}"
        source = readable(broken.text)
        if self.chat:
            return await self._instructed(order, rng, complete, broken, source)
        if not source:
            return refused(order, "expected a file to mend, the child's reply gave none")
        span = _blamed(source, broken, order.entry, rng, dotted=self.prompts.leads == "dotted")
        if span is None:
            return await self._whole(order, rng, complete, broken, source)
        before = "\n".join(source.split("\n")[: span.start])
        findings = [_WRONG_NAME.sub("has no such attribute", each) for each in broken.findings]
        context = RepairStatement(
            before, findings, span.indent, span.lead, order.feedback, order.card, self.prompts.listed
        )
        prompt = self.templates.render(context)
        stop = LAYER_STOPS if span.kind == LAYER else LINE_STOPS

        def parse(text: str, cut: bool) -> Parsed:
            return spanned(source, span, text, order.entry, cut=cut)

        change = f"{change}: {span.text.split(chr(10))[0]}"
        return await self.draft(order, rng, complete, prompt, change, parse, stop=stop, tokens=LINE_TOKENS)

    async def _whole(
        self, order: Order, rng: random.Random, complete: Complete | None, broken: BrokenParent, source: str
    ) -> list[Draft]:
        around = outline(source, order.entry)
        head = header(source, order.entry, tuple(order.offers))
        context = Repair(
            around.imports, around.text, broken.findings, order.targets, head, order.feedback, order.card
        )

        def parse(text: str, cut: bool) -> Parsed:
            return completed(head, text, around, order.entry, cut=cut)

        prompt = self.templates.render(context)
        return await self.draft(order, rng, complete, prompt, f"mends {broken.id}", parse)

    async def _instructed(
        self, order: Order, rng: random.Random, complete: Complete | None, broken: BrokenParent, source: str
    ) -> list[Draft]:
        """Where no file could be made of the child's reply, the reply is shown beside its parent."""
        shown = source or strip_prose(order.parents[0].source)
        attempt = "" if source else broken.text
        around = merged(
            [outline(shown, order.entry), *(outline(p.source, order.entry) for p in order.parents)]
        )
        context = RepairChat(
            shown.strip(),
            attempt,
            broken.findings,
            order.entry,
            unsaid(order),
            self.reply,
            order.feedback,
        )

        def parse(text: str, cut: bool) -> Parsed:
            asked = EDITS if self.reply == "edits" else FILE
            return read(text, asked, shown, around, order.entry, cut=cut)

        prompt = self.templates.render(context)
        return await self.draft(order, rng, complete, prompt, f"mends {broken.id}", parse)


def readable(text: str) -> str:
    """`text` without prose if it is a Python file that defines something, else ""."""
    try:
        source = strip_prose(text)
    except GenomeError:
        return ""
    return source if re.search(r"^(?:class|def) ", source, re.MULTILINE) else ""


def _blamed(
    source: str, broken: BrokenParent, entry: str, rng: random.Random, *, dotted: bool
) -> SourceSpan | None:
    """A statement that the first finding with a place is about: the one there, or a layer that it calls."""
    found = next((match for each in broken.findings if (match := _PLACE.search(each))), None)
    if found is None:
        return None
    spans = [s for s in find(source, entry, settled=True, dotted=dotted) if s.kind in (LAYER, STATEMENT)]
    at = _line(source, broken.text, int(found[1] or found[2]))
    here = [span for span in spans if at is not None and span.start <= at < span.end]
    named = set(re.findall(r"self\.(\w+)\(", " ".join(span.text for span in here)))
    named |= set(_MODULE.findall(" ".join(broken.findings)))
    about = [*here, *(span for span in spans if span.kind == LAYER and span.name in named)]
    wrong = {name for finding in broken.findings for name in _WRONG_NAME.findall(finding)}
    about = [span for span in about if not any(name in span.lead for name in wrong)]
    return rng.choice(about) if about else None


def _line(source: str, text: str, number: int) -> int | None:
    """Where line `number` (from 1) of `text` stands in `source`, which is `text` without prose (from 0)."""
    lines, kept = text.split("\n"), source.split("\n")
    if not 0 < number <= len(lines):
        return None
    if len(lines) == len(kept):
        return number - 1
    code = lines[number - 1].partition("  #")[0].strip()
    same = [at for at, line in enumerate(kept) if line.strip() == code]
    return same[0] if len(same) == 1 else None
