"""The table `[surrogate]`: screening of drafts before one of them is trained."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evoarch.agent.config.table import KeyUnit, Share, Table


class SurrogateTable(Table):
    """Screening before training: for each slot children are drawn and built, and one, which a model picks, is
    trained. The model learns from the campaign (docs/screening.md).
    """

    drafts: Annotated[int, KeyUnit("drafts"), Field(ge=0, le=1000)] = 0
    """Children that are drawn and built for each slot; 0: none, each child that is drawn is trained."""
    unscreened: Annotated[Share, Field(ge=0, le=1)] = 0.1
    """Of the slots, those that take their first sound draft, whatever the model says of it."""
    refit: Annotated[int, KeyUnit("children"), Field(ge=1)] = 5
    """The model is fitted anew after each so many children."""
    start: Annotated[int, KeyUnit("children"), Field(ge=1)] = 10
    """The first so many are picked in equal shares of log size, not by the model."""
    archives: tuple[str, ...] = ()
    """Archives of other campaigns to learn from too, relative to the campaign's folder; then the model picks
    from the beginning."""
