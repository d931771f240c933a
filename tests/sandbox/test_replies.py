"""What a child tells of itself is kept only as far as it can be stored and shown."""

from __future__ import annotations

import math

import numpy as np

from evoarch.evaluators.replies import curve_of, sound_of
from evoarch.sandbox.outcome import Finished

HUGE = 10**400
ROW = {"name": "layer", "kind": "Linear", "shape": [1, 10], "params": 410, "flops": 800}


def test_a_loss_curve_is_made_of_numbers_that_a_float_can_hold() -> None:
    told = [1.5, 2, HUGE, -HUGE, math.inf, -math.inf, math.nan, "3.0", None, [4.0], 10**300]
    assert curve_of(told) == [1.5, 2.0, 1e300]
    assert curve_of(HUGE) == []


def test_a_layer_of_impossible_size_is_left_out() -> None:
    wrong = [{**ROW, "params": HUGE}, {**ROW, "flops": HUGE}, {**ROW, "shape": [1, HUGE]}]
    notes = {"layers": [ROW, *wrong, {**ROW, "params": True}], "flops": HUGE}
    sound = sound_of(Finished({"weight": np.zeros(3, np.float32)}, notes))
    assert sound.layers == (ROW,)
    assert sound.flops is None
