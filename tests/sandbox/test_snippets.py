"""What CPython reads, LibCST reads too, or it is said where not: 2,000 valid snippets written by rule."""

from __future__ import annotations

import ast
import json
import random
import warnings
from pathlib import Path

import libcst as cst
import pytest
from click.testing import CliRunner

from evoarch.agent.cli import main
from evoarch.sandbox.genome import canonical
from evoarch.sandbox.parsing import GenomeError, parse
from evoarch.sandbox.vet import vet

MANY = 2_000
WORDY = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"
ATOMS = [
    "x",
    "y",
    "0",
    "1",
    "7.",
    ".5",
    "1e3",
    "0x1",
    "0b1",
    "1_0",
    "2j",
    "'a'",
    '"b"',
    "b'c'",
    "r'd'",
    "...",
    "None",
]
BINARY = ["+", "-", "*", "/", "**", "@", "//", "%", "&", "|", "^", "<<"]
COMPARED = [["<"], ["=="], ["!="], ["in"], ["not", "in"], ["is"], ["is", "not"]]

Tokens = list[str]


def listed(rng: random.Random, deep: int) -> Tokens:
    """Arguments, some of them starred."""
    found: Tokens = []
    for _ in range(rng.randint(0, 3)):
        found += [*rng.choice([[], [], ["*"]]), *expression(rng, deep), ","]
    return found[:-1] if rng.random() < 0.7 else found


def parameters(rng: random.Random) -> Tokens:
    return rng.choice(
        [[], ["x"], ["x", "=", "1"], ["*", "x"], ["x", ",", "*", ",", "y"], ["x", ",", "/"], ["**", "x"]]
    )


def atom(rng: random.Random, deep: int) -> Tokens:
    if deep <= 0:
        return [rng.choice(ATOMS)]
    some = lambda: expression(rng, deep - 1)  # noqa: E731
    kind = rng.randrange(12)
    if kind < 3:
        return ["(", *some(), ")"]
    if kind == 3:
        return ["[", *listed(rng, deep - 1), "]"]
    if kind == 4:
        return ["{", *some(), ":", *some(), ",", "**", *atom(rng, deep - 1), "}"]
    if kind == 5:
        return ["(", "x", ":=", *some(), ")"]
    if kind == 6:
        return [
            rng.choice(["f", "F", "rf"])
            + "'"
            + "a {"
            + f"(x){rng.choice(['or(lambda:0)', 'if(1)else.5', 'in(y)'])}"
            + "} b'"
        ]
    if kind == 7:
        return [*atom(rng, deep - 1), "(", *listed(rng, deep - 1), ")"]
    if kind == 8:
        return [*atom(rng, deep - 1), "[", *some(), ":", *some(), "]"]
    if kind == 9:
        each = ["for", "x", "in", *atom(rng, deep - 1)]
        tests = ["if", *atom(rng, deep - 1)] if rng.random() < 0.5 else []
        left, right = rng.choice(["[]", "()", "{}"])
        return [left, *some(), *each, *tests, right]
    return [rng.choice(ATOMS)]


def expression(rng: random.Random, deep: int) -> Tokens:
    """Tokens of an expression; it may hold brackets where none are needed."""
    kind = rng.randrange(9)
    if deep <= 0 or kind == 0:
        return atom(rng, deep)
    left, right = atom(rng, deep - 1), atom(rng, deep - 1)
    if kind == 1:
        return ["lambda", *parameters(rng), ":", *expression(rng, deep - 1)]
    if kind == 2:
        return [*left, "if", *atom(rng, deep - 1), "else", *right]
    if kind == 3:
        return [*left, rng.choice(["and", "or"]), *right]
    if kind == 4:
        return [*left, *rng.choice(COMPARED), *right]
    if kind == 5:
        return [rng.choice(["-", "+", "~", "not"]), *right]
    if kind == 6:
        return [*left, rng.choice(BINARY), *right]
    if kind == 7:
        return [*left, rng.choice(["and", "or"]), "not", *right]
    return ["(", rng.choice(["yield", "await"]), *right, ")"]


def statement(rng: random.Random) -> Tokens:
    """Tokens of one line; it may stand in an async function, in a loop."""
    some = lambda: expression(rng, 3)  # noqa: E731
    return rng.choice(
        [
            lambda: ["x", "=", *some()],
            lambda: ["x", ":", *some(), "=", *some()],
            lambda: ["x", "+=", *some()],
            lambda: ["return", *some()],
            lambda: ["yield", *some()],
            lambda: ["assert", *some(), ",", *some()],
            lambda: ["raise", *some(), "from", *atom(rng, 2)],
            lambda: ["del", "x", "[", *some(), "]"],
            lambda: ["if", *some(), ":", "pass"],
            lambda: ["while", *some(), ":", "break"],
            lambda: ["for", "(", "x", ")", "in", *some(), ":", "continue"],
            lambda: ["with", *atom(rng, 2), "as", "(", "x", ")", ":", "pass"],
            lambda: ["async", "for", "x", "in", *atom(rng, 2), ":", "pass"],
            lambda: ["def", "g", "(", *parameters(rng), ")", "->", *some(), ":", "return", *some()],
            lambda: ["class", "C", "(", "x", ",", "k", "=", *some(), ")", ":", "y", "=", *some()],
            lambda: ["@", *atom(rng, 2), "\n", "def", "g", "(", ")", ":", "pass"],
            lambda: ["from", ".", "import", "(", "x", ")"],
            lambda: ["from", "..", "a", "import", "x", "as", "y"],
            lambda: ["match", *atom(rng, 2), ":", "\n ", "case", "(", "1", ")", "if", *some(), ":", "pass"],
        ]
    )()  # fmt: skip


def written(tokens: Tokens, rng: random.Random) -> str:
    """With as little white space as the words allow, or with a little more."""
    tight, text = rng.random(), ""
    for token in tokens:
        if token.startswith("\n"):
            text += "\n    " + token[1:]
            continue
        needed = text[-1:] and text[-1] in WORDY and token[0] in WORDY
        # `1if` is two tokens to Python, `ifx` is one.
        needed = needed and not (tokens and text[-1].isdigit() and token in {"if", "else", "in", "is", "and"})
        text += " " * (bool(needed) or (text[-1:] not in " " and rng.random() > tight + 0.3)) + token
    return f"async def f():\n for _ in x:\n    {text}\n"


def reads(source: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source, "", "exec")
        except SyntaxError:
            return False
    return True


def snippets(count: int) -> list[str]:
    rng = random.Random(20)
    found = dict[str, None]()
    while len(found) < count:
        source = written(statement(rng), rng)
        if reads(source):
            found[source] = None
    return list(found)


SNIPPETS = snippets(MANY)


def meaning(source: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.dump(ast.parse(source))


def test_of_2000_valid_snippets_all_but_a_hundredth_are_read_and_none_is_a_crash() -> None:
    refused, crashed = list[str](), 0
    for source in SNIPPETS:
        try:
            crashed += cst.parse_module(source) is None
        except Exception:  # noqa: BLE001 - what LibCST alone does with it, whatever that is
            crashed += 1
        try:
            code = parse(source).code
        except GenomeError:
            refused.append(source)
            continue
        assert meaning(code) == meaning(source), source
        assert code.count("\n") == source.count("\n"), source
    assert crashed > MANY / 50, "the snippets are too easy to tell anything"
    assert len(refused) <= MANY / 100, refused


@pytest.mark.parametrize("part", range(4))
def test_a_snippet_is_vetted_and_has_a_canonical_form(part: int) -> None:
    for source in SNIPPETS[part : MANY // 5 : 4]:
        assert all(found.message for found in vet(source, offers={})), source
        form = canonical(source)
        assert canonical(form) == form, source


def test_a_file_that_libcst_reads_keeps_every_letter() -> None:
    source = "x = (1)if(y)else(2)  # not(x)\nz = 'or(x)'\n"
    assert parse(source).code == source


def test_only_the_missing_spaces_are_put_in() -> None:
    source = "x  =  y or(lambda :0)  # or(x)\nz = 'or(x)', f'for(x) {y}', (  1)\n"
    assert parse(source).code == source.replace("y or(", "y or (")


def test_an_f_string_of_which_a_space_would_change_the_text_is_said_to_be_unread() -> None:
    with pytest.raises(GenomeError, match="LibCST can't read it, though Python can"):
        parse("x = f'{y or(lambda: 0)=}'\n")


class PanicException(BaseException):
    """As the native parser's panics are: by this name, and no Exception."""


@pytest.mark.parametrize(
    "crash", [TypeError("a"), AttributeError("b"), PanicException("c"), RecursionError()]
)
def test_a_crash_of_libcst_is_a_finding(crash: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def crashes(source: str) -> cst.Module:
        raise crash

    monkeypatch.setattr(cst, "parse_module", crashes)
    found = vet("x = 1\n", offers={})
    assert type(crash).__name__ in found[0].message
    monkeypatch.setattr(cst, "parse_module", lambda source: exec("raise KeyboardInterrupt"))
    with pytest.raises(KeyboardInterrupt):
        parse("x = 1\n")


def test_check_gives_the_findings_of_every_file(tmp_path: Path) -> None:
    """Among them one that LibCST crashes on, and one that it can't read at all."""
    texts = {
        "good": "import torch.nn as nn\n\n\ndef Model(num_classes):\n    return nn.Linear(40, num_classes)\n",
        "tight": "x = 1\ny = x or(lambda: 0)\n",
        "odd": "x = 1\ny = f'{x or(lambda: 0)=}'\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    files = [str(tmp_path / f"{name}.py") for name in texts]
    done = CliRunner().invoke(main, ["check", *files])
    assert done.exit_code == 1
    assert f"{files[0]}: fine" in done.output
    assert f"{files[1]}:" in done.output
    assert "LibCST can't read it" in done.output.split(files[2])[1]
    found = json.loads(CliRunner().invoke(main, ["check", "--json", *files]).output)["rows"]
    assert {each["file"] for each in found} == set(files[1:])
