"""Who is drawn in a picture of descent: where not all have room, the paths to the best stay."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from evoarch.archive.records import Candidate
from evoarch.archive.store import Store


@dataclass(frozen=True)
class DrawnFamily:
    """The `members` to draw of `total` relatives; `kept`: of these, the best whose paths are whole."""

    members: Sequence[Candidate]
    total: int
    kept: Sequence[int]

    @property
    def words(self) -> str:
        """What was left out and what was kept, in a sentence; "" where nothing was left out."""
        if len(self.members) == self.total:
            return ""
        paths = ", ".join(f"#{identity}" for identity in self.kept)
        whole = f"the whole paths to the front's {paths}, and " if paths else ""
        return f"{len(self.members):,} of {self.total:,} are shown: {whole}the nearest of the others."


def family_of(store: Store, identity: int | None, elites: Sequence[int], *, most: int) -> DrawnFamily:
    """What the candidate `identity` comes from and what came of it; for None, all that the front comes from.

    `elites`: the front, the best first. Of more than `most` relatives those that lie on the candidate's own
    line and on the ways between it and the front are taken first, then the nearest, as many above as below.
    """
    if identity is None:
        above, below, centre = store.browse.related(elites, up=True), [], list(elites)
    else:
        above = store.browse.related([identity], up=True)
        known = set(above)
        below = [each for each in store.browse.related([identity], up=False) if each not in known]
        centre = [identity]
    everybody, lower = {*above, *below}, set(below)
    if len(everybody) <= most:
        return DrawnFamily(store.browse.some([*above, *below]), len(everybody), ())
    parents = store.parents_of(sorted(everybody))
    chosen = dict.fromkeys(_line(centre[0], parents)) if centre else {}
    kept = []
    for elite in elites:
        line = _line(elite, parents, lower if elite in lower else None)
        if elite in everybody and len({*chosen, *line}) <= most:
            chosen |= dict.fromkeys(line)
            kept.append(elite)
    # As many above as below, and where one side is short, more of the other.
    for each in [*above[: most // 2], *below, *above[most // 2 :]]:
        if len(chosen) >= most:
            break
        chosen[each] = None
    return DrawnFamily(store.browse.some(list(chosen)), len(everybody), kept)


def _line(
    candidate: int, parents: Mapping[int, tuple[int, ...]], within: Collection[int] | None = None
) -> list[int]:
    """First parents upwards; with `within`, the first parents that lie in it, and the one above the last of
    them.
    """
    line = [candidate]
    while above := parents.get(line[-1], ()):
        inside = above if within is None else [parent for parent in above if parent in within]
        if not inside:
            break
        line.append(inside[0])
    return line
