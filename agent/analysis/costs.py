"""What a success costs: the expected cost of one new valid child, and of one improvement.

"Cost-of-pass" (Erol et al. 2025, arXiv 2504.13359, section 2): the cost of an attempt divided by the rate
of success, which over a record is what all attempts cost divided by the successes.
"""

from __future__ import annotations

from collections.abc import Mapping

UNITS = ("cpu_s", "tokens", "money")
SUCCESSES = ("new", "improved")

Costs = Mapping[str, Mapping[str, Mapping[str, float | None]]]
"""By operator (and `all` of them), by success, by unit; None where there was no success yet."""


def costs_of(yields: Mapping[str, Mapping[str, float]]) -> Costs:
    """From what the operators yielded. `new` is a child that is valid and no duplicate; `improved` one whose
    error x params is below that of each of its parents.
    """
    keys = (*SUCCESSES, *UNITS)
    whole = {key: sum(each[key] for each in yields.values()) for key in keys}
    return {
        name: {
            success: {unit: each[unit] / each[success] if each[success] else None for unit in UNITS}
            for success in SUCCESSES
        }
        for name, each in {**yields, "all": whole}.items()
    }
