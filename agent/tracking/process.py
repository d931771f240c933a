"""The process that tells one tracker: `python -m evoarch.agent.tracking.process PARENT FOLDER TRACKER NICE`.

It looks at the archive until its standard input is closed, and once more then. What a tracker does, however
wrong, ends here: in a line of `status`.
"""

from __future__ import annotations

import json
import os
import select
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from evoarch.agent.base.pdeathsig import die_with_parent
from evoarch.agent.config.load import Config
from evoarch.agent.config.recorded import settings_for_run
from evoarch.agent.config.tracking import TrackTable
from evoarch.agent.report.document import as_html, read_report
from evoarch.agent.tracking.base import Facts, Tracker
from evoarch.agent.tracking.feed import Told, items, note, told
from evoarch.agent.tracking.registry import build
from evoarch.archive.schema import FILE as DATABASE
from evoarch.archive.store import Store, open_archive

SECONDS = 5.0
"""Between two looks at the archive."""

LEFT_OUT = ("lm", "track")
"""Tables that a tracker is not told: they name servers and may hold what is secret."""


class Teller:
    """Tells the tracker of `table` what the archive in `folder` has of a campaign."""

    def __init__(self, folder: Path, config: Config, table: TrackTable) -> None:
        self._folder, self._config, self._table = folder, config, table
        self._open: Tracker | None = None
        self._event = 0
        """The last one that the open tracker was told of; the archive may note it later."""

    def tell(self, *, last: bool = False) -> str:
        """Tells all that the tracker does not know yet. Why that failed, in a line; "" where it did not.

        How far it came is noted in the archive. `last`: the run of the tracker ends, with the report.
        """
        with open_archive(self._folder, write=True) as store:
            known = told(store, self._table.tracker)
            try:
                now = self._tell(store, known, last=last)
            except Exception as error:  # noqa: BLE001 - a tracker's package raises what it likes: it is shown
                self._open = None
                words = (str(error).strip().splitlines() or [""])[0]
                now = replace(known, failed=f"{type(error).__name__}: {words}"[:300])
            if now != known:
                note(store, self._table.tracker, now)
        return now.failed

    def _tell(self, store: Store, known: Told, *, last: bool) -> Told:
        if self._open is None:
            self._open = build(self._table, self._folder)
            facts = Facts(self._config.campaign.name, self._folder, settings(self._config))
            run, there = self._open.begin(facts, known.run)
            known = Told(run, known.event if there else 0)
            self._event = known.event
            note(store, self._table.tracker, known)
        newest, new = items(store, self._config, self._event)
        for item in new:
            self._open.tell(item)
        self._event = newest
        if last:
            with tempfile.TemporaryDirectory(prefix="evoarch-track-") as name:
                report = Path(name, "report.html")
                report.write_text(as_html(read_report(store, self._config)), encoding="utf-8")
                self._open.end(report)
        return Told(known.run, newest if last or not self._open.late else known.event)


def settings(config: Config) -> dict[str, str]:
    """What campaign.toml says besides defaults, by `table.key`, as text."""
    data = config.model_dump(mode="json", exclude_defaults=True, exclude=set(LEFT_OUT))
    found: dict[str, str] = {}
    for table, keys in data.items():
        pairs = keys if isinstance(keys, Mapping) else {"": keys}
        for key, value in pairs.items():
            found[f"{table}.{key}".rstrip(".")] = value if isinstance(value, str) else json.dumps(value)
    return found


def main() -> None:
    """Runs the process."""
    parent, folder, tracker = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    die_with_parent(parent)
    os.nice(int(sys.argv[4]))
    config = settings_for_run(folder).config
    (table,) = [each for each in config.track if each.tracker == tracker]
    teller = Teller(folder, config, table)
    while not select.select([sys.stdin], [], [], SECONDS)[0]:
        if (folder / DATABASE).exists():
            teller.tell()
    teller.tell(last=True)


if __name__ == "__main__":
    main()
