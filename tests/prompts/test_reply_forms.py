"""Forms in which chat models answer: each pair of a form and the source that it means, written by rule."""

from __future__ import annotations

from itertools import product

import pytest

from evoarch.prompts import replies
from evoarch.prompts.chat import answer_in
from evoarch.prompts.edits import edited
from evoarch.prompts.outline import Outline, merged, outline
from evoarch.prompts.replies import answered
from evoarch.prompts.span_replies import span_answered
from evoarch.prompts.spans import LAYER, find
from evoarch.sandbox.genome import canonical
from evoarch.sandbox.parsing import GenomeError

IMPORTS = "import torch.nn as nn\nimport torch.nn.functional as F\n"
HELPER = """\
class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mix = nn.Linear(width, width)

    def forward(self, x):
        return x + F.relu(self.mix(x))
"""
MODEL = """\
class Model(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.a = nn.Linear(40, 16)
        self.block = Block(16)
        self.b = nn.Linear(16, num_classes)

    def forward(self, x):
        x = self.a(x)
        x = self.block(x)
        return self.b(x)
"""
PLAIN = MODEL.replace("        self.block = Block(16)\n", "").replace("self.block(x)", "F.relu(x)")
PARENT = f"{IMPORTS}\n\n{PLAIN}"
CHILD = f"{IMPORTS}\n\n{HELPER}\n\n{MODEL}"
WRONG = CHILD.replace("16", "99")
AROUND = merged([outline(PARENT, "Model")])

OLD = "        self.a = nn.Linear(40, 16)"
NEW = "        self.a = nn.Linear(40, 16, bias=False)"
EDITED = PARENT.replace(OLD, NEW)


def fence(text: str, mark: str = "```python") -> str:
    return f"{mark}\n{text}{mark.rstrip('python')}\n"


def edit(search: str, replace: str) -> str:
    return f"<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE\n"


MARKS = ["```python", "```", "````python", "``````", "~~~", "~~~python", "~~~~~~"]
SPACES = {
    "plain": lambda text: text,
    "byte order mark": lambda text: "\ufeff" + text,
    "no-break spaces": lambda text: text.replace("    ", "\u00a0\u00a0\u00a0\u00a0"),
    "narrow no-break spaces": lambda text: text.replace(" = ", "\u202f=\u202f"),
    "zero width": lambda text: text.replace("(", "(\u200b").replace("def", "\u2060def"),
    "soft hyphens and Windows": lambda text: text.replace("class", "cl\u00adass").replace("\n", "\r\n"),
}
REASONING = {
    "think": "<think>\n{}\n</think>\n",
    "thinking": "<thinking>\n{}\n</thinking>\n",
    "reasoning": "<reasoning>\n{}\n</reasoning>",
    "thought": "<thought>{}</thought>\n",
    "scratchpad": "<scratchpad>\n{}\n</scratchpad>\n",
    "namespace": "<seed:think>{}</seed:think>",
    "capitals and an attribute": '<Think budget="9">\n{}\n</Think>\n',
    "brackets": "[THINK]{}[/THINK]",
    "no beginning": "{}\n</think>\n",
    "no beginning, brackets": "{}\n[/THINK]\n",
    "nested": "<think>\n<think>\n{0}\n</think>\n{0}\n</think>\n",
    "nested in another": "<think>\n<reasoning>\n{0}\n</reasoning>\n{0}\n</think>\n",
    "a word in it": "<think>\nI end with `</think>`.\n{}\n</think>\n",
    "twice": "<think>\n{0}\n</think>\nBetter:\n<think>\n{0}\n</think>\n",
    "tokens": "<|START_THINKING|>{}<|END_THINKING|>",
    "thought tokens": "<|begin_of_thought|>{}<|end_of_thought|>",
    "triangles": "◁think▷{}◁/think▷",
    "channels": "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>",
    "bare channels": "<|channel|>analysis\n{}\n<|channel|>final\n",
    "a fence of its own": "````thinking\n{}\n````\n",
}
BEHIND = {"<think>": "{0}<think>\n{1}", "closed": "{0}<think>\n{1}\n</think>\n", "brackets": "{0}[THINK]{1}"}
SPLITS = {
    "helper before": lambda mark: fence(HELPER, mark) + "and\n" + fence(IMPORTS + MODEL, mark),
    "helper behind": lambda mark: fence(MODEL, mark) + "with this helper:\n" + fence(HELPER, mark),
    "imports": lambda mark: fence(IMPORTS, mark) + "then\n" + fence(HELPER + MODEL, mark),
    "all three": lambda mark: fence(IMPORTS, mark) + fence(HELPER, mark) + fence(MODEL, mark),
    "an example of use": lambda mark: (
        fence(CHILD, mark) + "Use:\n" + fence("import numpy as np\nx = np.ones(3)\nmodel = Model(10)\n", mark)
    ),
    "one file in two": lambda mark: (
        fence(IMPORTS + HELPER + MODEL.partition("    def f")[0], mark)
        + fence("    def f" + MODEL.partition("    def f")[2], mark)
    ),
}
ORIGINALS = [
    ("The original was:", PARENT),
    ("For comparison, what you gave me:", PARENT),
    ("Before:", WRONG),
    ("The previous model was this one:", WRONG),
    ("**Original:**", PARENT),
]
BEFORE = ["", "Sure!\n\n", "from what I see, it is narrow.\nimport is easy:\n\n"]
AFTER = [
    "",
    "\nIt adds a block.\n",
    "\nEnjoy\n",
    "\nNote: smaller\n",
    "\n- It's wider (a bit\n- and deeper\n",
    "\nThe original was:\n" + PARENT,
]

FILES: dict[str, str] = (
    {
        f"{mark}, {name}": space(f"Sure:\n{fence(CHILD, mark)}Done.")
        for mark, (name, space) in product(MARKS, SPACES.items())
    }
    | {
        f"{name}, {mark}": split(mark)
        for (name, split), mark in product(SPLITS.items(), MARKS[::3])
        if name != "one file in two"
    }
    | {
        f"{said} {mark}": fence(CHILD, mark) + said + "\n" + fence(old, mark)
        for (said, old), mark in product(ORIGINALS, MARKS[::3])
    }
    | {f"{said} first": said + "\n" + fence(old) + "Now:\n" + fence(CHILD) for said, old in ORIGINALS}
    | {f"bare {before!r} {after!r}": before + CHILD + after for before, after in product(BEFORE, AFTER)}
    | {f"reasoning: {name}": form.format(fence(WRONG)) + fence(CHILD) for name, form in REASONING.items()}
    | {f"reasoning, bare: {name}": form.format(WRONG) + CHILD for name, form in REASONING.items()}
    | {f"reasoning behind: {name}": form.format(fence(CHILD), fence(WRONG)) for name, form in BEHIND.items()}
    | {
        "a fence in a fence": f"````markdown\nHere:\n{fence(CHILD)}````\n",
        "in a list": "- it\n\n" + "".join(f"  {line}\n" for line in fence(CHILD).split("\n")),
    }
    | {"never closed": fence(CHILD).rstrip("`\n") + "\n\nThat is all there is.\n"}
)
COMMENTS = {
    "behind": (OLD + "  # wide", NEW),
    "with quotes": (OLD + '  # the "first" layer\'s', NEW),
    "above": ("        # the first layer\n" + OLD, NEW),
    "at another indentation": ("self.a = nn.Linear(40, 16)  # wide", NEW.strip()),
    "on two lines": (
        OLD + "  # a\n\n        self.b = nn.Linear(16, num_classes)  # b",
        NEW + "\n        self.b = nn.Linear(16, num_classes)",
    ),
}
DRAFT = edit(OLD, OLD.replace("16", "99"))
EDIT = edit(OLD, NEW)
EDITS: dict[str, str] = (
    {
        f"comment {name}, {mark}": fence(edit(*pair), mark)
        for (name, pair), mark in product(COMMENTS.items(), MARKS[::2])
    }
    | {
        f"{name}, {mark}": space(fence(EDIT, mark))
        for (name, space), mark in product(SPACES.items(), MARKS[::3])
    }
    | {
        f"whole file: {name}, {mark}": space(f"Sure:\n{fence(EDITED, mark)}")
        for (name, space), mark in product(SPACES.items(), MARKS[::3])
    }
    | {f"whole bare file {before!r}": before + EDITED + "\nIt's lighter.\n" for before in BEFORE}
    | {f"reasoning: {name}": form.format(DRAFT) + EDIT for name, form in REASONING.items()}
    | {
        f"reasoning, whole file: {name}": form.format(DRAFT) + fence(EDITED)
        for name, form in REASONING.items()
    }
    | {f"reasoning behind: {name}": form.format(EDIT, DRAFT) for name, form in BEHIND.items()}
    | {"fences within": edit(fence(OLD + "\n").rstrip("\n"), fence(NEW + "\n").rstrip("\n"))}
)


def test_there_are_enough_forms() -> None:
    assert len(FILES) + len(EDITS) >= 120


@pytest.mark.parametrize("reply", FILES.values(), ids=FILES)
def test_a_file_is_read_in_every_form(reply: str) -> None:
    parsed = answered(reply, AROUND, "Model")
    assert parsed.problem == ""
    assert canonical(parsed.source) == canonical(CHILD)
    assert "numpy" not in parsed.source


@pytest.mark.parametrize("reply", EDITS.values(), ids=EDITS)
def test_edits_are_read_in_every_form(reply: str) -> None:
    parsed = edited(PARENT, reply, "Model")
    assert parsed.problem == ""
    assert canonical(parsed.source) == canonical(EDITED)


@pytest.mark.parametrize("form", REASONING.values(), ids=REASONING)
def test_reasoning_is_no_answer_for_a_span(form: str) -> None:
    span = next(span for span in find(PARENT, "Model") if (span.kind, span.name) == (LAYER, "a"))
    reply = form.format(fence(OLD.strip().replace("16", "99") + "\n")) + fence(NEW.strip() + "\n")
    assert canonical(span_answered(PARENT, span, reply, "Model").source) == canonical(EDITED)


@pytest.mark.parametrize("form", REASONING.values(), ids=REASONING)
@pytest.mark.parametrize("cut", [False, True])
def test_reasoning_alone_is_a_problem(form: str, cut: bool) -> None:
    for text in (DRAFT, fence(WRONG), WRONG):
        reply = form.format(text)
        assert edited(PARENT, reply, "Model", cut=cut).source == ""
        assert answered(reply, AROUND, "Model", cut=cut).source == ""


@pytest.mark.parametrize(
    "begin", ["<think>", "[THINK]", "<|channel|>analysis<|message|>", "<think><think>\n</think>"]
)
def test_reasoning_that_never_ends_is_no_answer(begin: str) -> None:
    assert edited(PARENT, begin + EDIT, "Model", cut=True).problem == "expected code, got reasoning alone"
    assert answered(begin + fence(CHILD), AROUND, "Model").problem == "expected code, got reasoning alone"


def test_a_tag_in_the_code_is_code() -> None:
    tagged = EDITED.replace("return self.b(x)", 'return self.b(x), "</think>"')
    assert '"</think>"' in answered(fence(tagged), AROUND, "Model").source
    assert answer_in("a [x] <y> `<think>` b") == "a [x] <y> `<think>` b"


def test_what_was_done_is_noted() -> None:
    assert (
        "taken from other code blocks: Block"
        in answered(FILES["helper behind, ```python"], AROUND, "Model").note
    )
    assert "a whole file" in edited(PARENT, fence(EDITED), "Model").note
    assert answered(fence(CHILD), AROUND, "Model").note == edited(PARENT, EDIT, "Model").note == ""


def test_a_helper_of_the_answer_takes_the_place_of_the_parents() -> None:
    around = merged([outline(WRONG.replace("x + F", "x - F"), "Model")])
    reply = fence(MODEL) + fence(HELPER)
    assert canonical(answered(reply, around, "Model").source) == canonical(CHILD)
    assert "x - F" in answered(fence(MODEL), around, "Model").source


def test_an_unfinished_answer_does_not_give_way_to_the_original() -> None:
    reply = f"The original was:\n{fence(PARENT)}Now:\n```python\n{CHILD.rpartition('return')[0]}x = (1"
    for cut in (False, True):
        assert answered(reply, AROUND, "Model", cut=cut).problem
    assert answered(fence(PARENT), Outline(), "Model").source


def test_a_search_that_fits_two_lines_without_their_comments_is_a_problem() -> None:
    twice = PARENT.replace(OLD, OLD + "\n" + OLD)
    assert "stand once" in edited(twice, edit(OLD + "  # first", NEW), "Model").problem
    assert "do not stand" in edited(PARENT, edit("# only a comment", NEW), "Model").problem


def test_the_work_on_a_reply_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many lines where a file might begin, times many where it might end."""
    looked_at = 0
    read = replies.sound

    def counted(text: str, *, cut: bool) -> tuple[str, GenomeError | None]:
        nonlocal looked_at
        looked_at += len(text)
        return read(text, cut=cut)

    monkeypatch.setattr(replies, "sound", counted)
    reply = "import a\n" * 2000 + CHILD + "so it is\n" * 1000
    assert answered(reply, AROUND, "Model").problem
    assert looked_at <= replies.MAX_PARSED + len(reply)
