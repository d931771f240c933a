"""Synthetic control charts (Alcock and Manolopoulos 1999), by the rules that UCI's archive states.

    python make_data.py     # writes data/control.npz

Six classes of series of 60 points, drawn from seed 1999, standardised with one mean and one deviation: 3,000 to
train on, 500 to validate, 2,000 sealed.
"""

import numpy as np

rng = np.random.default_rng(1999)
T = np.arange(60)


def series(kind: int) -> np.ndarray:
    """One example, (60,), of a class from 0 to 5."""
    y = 30 + 6 * rng.uniform(-3, 3, 60)  # thrice the noise of the original, which small models solve
    if kind == 1:  # cyclic
        y += rng.uniform(10, 15) * np.sin(2 * np.pi * T / rng.uniform(10, 15))
    elif kind in (2, 3):  # upward and downward trend
        y += (1 if kind == 2 else -1) * rng.uniform(0.2, 0.5) * T
    elif kind in (4, 5):  # upward and downward shift
        y += (1 if kind == 4 else -1) * rng.uniform(7.5, 20) * (T >= rng.uniform(20, 40))
    return y


def split(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Series (count, 1, 60) and their classes."""
    kinds = rng.integers(0, 6, count)
    return np.stack([series(kind) for kind in kinds])[:, None], kinds


arrays = {}
for name, count in (("train", 3000), ("val", 500), ("test", 2000)):
    arrays[f"x_{name}"], arrays[f"y_{name}"] = split(count)
mean, deviation = arrays["x_train"].mean(), arrays["x_train"].std()
for name in ("train", "val", "test"):
    arrays[f"x_{name}"] = ((arrays[f"x_{name}"] - mean) / deviation).astype(np.float32)
np.savez_compressed("data/control.npz", **arrays)
