"""EvoPrompting's Algorithms 1-3, transcribed as loops over sets, with what a child scores given."""

from collections.abc import Sequence


def transcription(
    rounds: Sequence[Sequence[tuple[int, float, float] | None]], seeds: list[int], p: int, alpha: float
) -> tuple[list[list[int]], list[list[int]], list[int]]:
    """Of children (id, params, error; None: it could not be evaluated) of each round: the parents of each
    round, what is trained on before each, and G.

    Deviations, as docs/evoprompting.md declares: an empty P stays as it was; ties go to the lower id.
    """
    population = list(seeds)  # P <- InitializePopulation
    history: list[tuple[int, float, float]] = []  # G <- {}
    selected: set[int] = set()
    parents, trained = [list(population)], list[list[int]]()
    for t, children in enumerate(rounds):
        evaluated = []  # Algorithm 3, FilterAndEval
        for child in children:
            if child is not None and child[2] <= alpha:
                evaluated.append(child)
        history += evaluated  # G <- G u C_evaled
        if t < len(rounds) - 1:
            left = [each for each in history if each[0] not in selected]  # in P in one round only
            left.sort(key=lambda each: (each[1] * each[2], each[0]))  # -(params x error), the highest first
            top = [each[0] for each in left[:p]]
            if top:
                population = top
            selected |= set(population)
            parents.append(list(population))
            trained.append(sorted(each[0] for each in evaluated if each[0] not in population))
    return parents, trained, [each[0] for each in history]
