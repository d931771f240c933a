"""Docstrings of ancestors above code that they were not written for."""

from evoarch.agent.report.docstrings import stale_docstrings

SEED = '''"""Of the file."""
class Model:
    """Two layers of 8."""

    def __init__(self):
        """Set up."""
        self.a = Linear(8)

    def forward(self, x):
        return self.a(x)
'''
CHILD = SEED.replace("Linear(8)", "Conv(16)")


def test_a_docstring_above_other_code_is_its_ancestors() -> None:
    found = stale_docstrings(CHILD, [(1, SEED)])
    assert [(each.name, each.first, each.last, each.ancestor) for each in found] == [
        ("the module", 1, 1, 1),
        ("Model", 3, 3, 1),
        ("Model.__init__", 6, 6, 1),
    ]
    assert "was written for #1" in found[0].words


def test_a_docstring_above_the_code_it_was_written_for_is_not() -> None:
    assert stale_docstrings(SEED, [(1, SEED)]) == []
    assert stale_docstrings(SEED, []) == []
    # Layout and comments are no other code, nor is another docstring.
    assert stale_docstrings(SEED.replace("return", "return  # same\n        return"), [(1, SEED)]) != []
    assert stale_docstrings(SEED.replace("(8)", "( 8 )  # same"), [(1, SEED)]) == []
    changed = SEED.replace("Set up.", "Another.")
    assert stale_docstrings(changed, [(1, SEED)]) == []


def test_who_wrote_it_is_the_farthest_in_an_unbroken_line() -> None:
    own = CHILD.replace("Two layers of 8.", "A convolution of 16.")
    last = own.replace("Conv(16)", "Conv(32)")
    names = {each.name: each.ancestor for each in stale_docstrings(last, [(3, own), (2, CHILD), (1, SEED)])}
    assert names == {"the module": 1, "Model": 3, "Model.__init__": 1}


def test_what_is_no_python_has_none() -> None:
    assert stale_docstrings("x = (", [(1, SEED)]) == []
    assert stale_docstrings(SEED, [(1, "x = (")]) == []
