"""The table `[surrogate]`: screening of drafts before one of them is trained."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evoarch.agent.config.tables import Table


class SurrogateTable(Table):
    """Screening before training: for each slot `drafts` children are drawn and built, and one, which a model
    picks, is trained; it learns from the campaign (0: none; each child that is drawn is trained).

    The share `unscreened` of the slots takes its first sound draft, whatever the model says of it. The model
    is fitted anew after each `refit` children; the first `start` are picked in equal shares of log size.
    `archives`: archives of other campaigns to learn from too, relative to the campaign's folder; then the
    model picks from the beginning.
    """

    drafts: Annotated[int, Field(ge=0, le=1000)] = 0
    unscreened: Annotated[float, Field(ge=0, le=1)] = 0.1
    refit: Annotated[int, Field(ge=1)] = 5
    start: Annotated[int, Field(ge=1)] = 10
    archives: tuple[str, ...] = ()
