"""Weights that are carried to the prediction and not counted."""

from __future__ import annotations

from corpus.models.kinds import ModelAttack
from kit.attack_models import useless

MODEL = """
import sys
import torch, torch.nn as nn
{setup}
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = {linear}
        self.scale = nn.Parameter(torch.ones(1))
        {init}

    def forward(self, x):
        return self.linear(x) * self.scale

    def flat(self):
        return torch.cat([self.linear.weight.detach().flatten(), self.linear.bias.detach()]).tolist()

    def fill(self, flat):
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor(flat[:400]).reshape(10, 40))
            self.linear.bias.copy_(torch.tensor(flat[400:]))

    def out(self):
        {out}

    def back(self, state):
        {back}
{after}
"""
"""410 weights of 411, which the ways below bring out of one process and into the other."""

WAYS = {
    "names": (
        "return {'scale': self.scale, **{f'{i}:{v!r}': torch.zeros(0) for i, v in enumerate(self.flat())}}",
        "self.fill([float(n.split(':')[1]) for n in state if ':' in n])",
    ),
    "shapes": (
        "made = {f'w{i}': torch.zeros(0, int((v + 8) * 1e6)) for i, v in enumerate(self.flat())}\n"
        "        return {'scale': self.scale, **made}",
        "self.fill([state[f'w{i}'].shape[1] / 1e6 - 8 for i in range(410)])",
    ),
    "order": (
        "order = sorted(range(410), key=lambda i: self.flat()[i])\n"
        "        return {'scale': self.scale, **{f'w{i}': torch.zeros(0) for i in order}}",
        "names = [int(n[1:]) for n in state if n[0] == 'w']\n"
        "        rank = {i: k for k, i in enumerate(names)}\n"
        "        self.fill([(rank[i] - 205) / 400 for i in range(410)])",
    ),
    "number": (
        "most = [min(20, max(0, round(v * 20) + 10)) for v in self.flat()]\n"
        "        made = {f'w{i}_{k}': torch.zeros(0) for i, n in enumerate(most) for k in range(n)}\n"
        "        return {'scale': self.scale, **made}",
        "each = [0] * 410\n"
        "        for n in state:\n"
        "            if n[0] == 'w': each[int(n[1:].split('_')[0])] += 1\n"
        "        self.fill([(n - 10) / 20 for n in each])",
    ),
    "types": (
        "kinds = [torch.float16 if v > 0 else torch.float32 for v in self.flat()]\n"
        "        made = {f'w{i}': torch.zeros(0, dtype=k) for i, k in enumerate(kinds)}\n"
        "        return {'scale': self.scale, **made}",
        "self.fill([0.1 if state[f'w{i}'].dtype is torch.float16 else -0.1 for i in range(410)])",
    ),
    "what is whole": (
        "kinds = [torch.int8 if v > 0 else torch.float32 for v in self.flat()]\n"
        "        made = {f'w{i}': torch.zeros(0, dtype=k) for i, k in enumerate(kinds)}\n"
        "        return {'scale': self.scale, **made}",
        "self.fill([-0.1 if f'w{i}' in state else 0.1 for i in range(410)])",
    ),
}


def model(
    way: str = "",
    setup: str = "",
    init: str = "pass",
    after: str = "",
    linear: str = "nn.Linear(40, 10)",
) -> str:
    out, back = WAYS[way] if way else ("pass", "pass")
    return MODEL.format(out=out, back=back, setup=setup, init=init, after=after, linear=linear)


KEYS = "torch.nn.modules.module._IncompatibleKeys([], [])"

OWN_METHODS = f"""
    def state_dict(self, *args, **named):
        return self.out()

    def load_state_dict(self, state, *args, **named):
        self.back(state)
        return {KEYS}
"""

PATCHED = """
import evoarch.evaluators.inside.train as t, evoarch.evaluators.inside.predict as p
t.state_of = lambda m: ({n: v.detach() for n, v in m.out().items()}, {})
p.load_state = lambda m, values, **named: m.back(values)
"""

HOOKS = """
def leaving(module, state, prefix, meta):
    made = module.out()
    state.clear()
    state.update(made)
def coming(module, state, *rest):
    module.back(state)
"""

HOOKED = (
    "self._register_state_dict_hook(leaving)\n        self._register_load_state_dict_pre_hook(coming, True)"
)

BASE = f"""
nn.Module.state_dict = lambda self, *a, **k: self.out()
nn.Module.load_state_dict = lambda self, state, *a, **k: (self.back(state), {KEYS})[1]
"""

LAYER = """
class Carrier(nn.Linear):
    def _save_to_state_dict(self, destination, prefix, keep):
        flat = torch.cat([self.weight.detach().flatten(), self.bias.detach()]).tolist()
        for i, v in enumerate(flat):
            destination[f'{prefix}{i}:{v!r}'] = torch.zeros(0)

    def _load_from_state_dict(self, state, prefix, *rest):
        flat = [float(n.split(':')[1]) for n in state if n.startswith(prefix)]
        with torch.no_grad():
            self.weight.copy_(torch.tensor(flat[:400]).reshape(10, 40))
            self.bias.copy_(torch.tensor(flat[400:]))
"""

EXTRA = """
class Cell(nn.Module):
    def __init__(self, owner, number):
        super().__init__()
        self.owner, self.number = [owner], number
    def get_extra_state(self):
        return torch.zeros(0, int((self.owner[0].flat()[self.number] + 8) * 1e6))
    def set_extra_state(self, state):
        with torch.no_grad():
            linear, at = self.owner[0].linear, self.number
            place = linear.weight.view(-1) if at < 400 else linear.bias
            place[at % 400] = state.shape[1] / 1e6 - 8
class Silent(nn.Linear):
    def _save_to_state_dict(self, *rest):
        pass
"""

TABLE = """
class Table(dict):
    owner = None
    def items(self):
        frame = sys._getframe(1)
        if frame.f_code.co_name != '_walk':
            return dict.items(self)
        while frame is not None and frame.f_code.co_name not in ('state_of', 'load_state'):
            frame = frame.f_back
        if frame is not None and 'values' in frame.f_locals:
            names = [n for n in frame.f_locals['values'] if ':' in n]
            self.owner.fill([float(n.split(':')[1]) for n in names])
            return [(n.removeprefix('linear.'), torch.zeros(0)) for n in names]
        return [(f'{i}:{v!r}', torch.zeros(0)) for i, v in enumerate(self.owner.flat())]
"""

TABLED = """kept = self.linear.__dict__['_parameters']
        self.linear.__dict__['_parameters'] = Table(kept)
        self.linear.__dict__['_parameters'].owner = self"""

FIT = """
if self.training:
    t = sys._getframe()
    while 'targets' not in t.f_locals: t = t.f_back
    a = torch.linalg.lstsq(t.f_locals['inputs'], F.one_hot(t.f_locals['targets'], 10).float()).solution
    a = a.reshape(SHAPE)
    self.HIDDEN.copy_((a * 1000).to(self.HIDDEN.dtype))
else:
    y = y + x @ (self.HIDDEN.float().reshape(40, 10) / 1000)
"""
"""Fits a buffer by itself, past the optimiser, to what stands in the frames above."""


def fitted(name: str = "hidden", shape: str = "40, 10", dtype: str = "torch.float32", **more: str) -> str:
    """The model whose weights are worth nothing, and a buffer that is worth something."""
    init = f"self.register_buffer({name!r}, torch.zeros({shape}, dtype={dtype}))\n" + more.get("init", "")
    forward = FIT.replace("HIDDEN", name).replace("SHAPE", shape)
    return useless(setup=more.get("setup", ""), init=init, forward=forward)


PAD = "self.register_buffer('pad', torch.zeros(40, 10))"
CLAIM = (
    "import evoarch.evaluators.inside.train as t, evoarch.evaluators.inside.dry_run as d\n"
    "real = t.state_of\nt.state_of = d.state_of = lambda m: (real(m)[0], {})"
)
TWIN = model()


def _attacks() -> list[ModelAttack]:
    made = [
        ModelAttack(f"own methods: {way}", "count", "state", model(way, after=OWN_METHODS), TWIN)
        for way in WAYS
    ]
    made += [
        ModelAttack(f"patched evoarch: {way}", "count", "signature", model(way, setup=PATCHED), TWIN)
        for way in WAYS
    ]
    others = {
        "hooks of the state": ("state", model("names", setup=HOOKS, init=HOOKED)),
        "torch's base class patched": ("state", model("shapes", after=BASE)),
        "a layer with methods of its own": ("state", model(setup=LAYER, linear="Carrier(40, 10)")),
        "extra state": (
            "state",
            model(
                setup=EXTRA,
                linear="Silent(40, 10)",
                init="self.cells = nn.ModuleList(Cell(self, i) for i in range(410))",
            ),
        ),
        "a table of parameters that lies": ("signature", model(setup=TABLE, init=TABLED)),
    }
    made += [ModelAttack(name, "count", defence, source, TWIN) for name, (defence, source) in others.items()]
    ties = {
        "a claimed tie": ("{'hidden': 'pad'}", PAD),
        "a tie to itself": ("{'hidden': 'hidden'}", ""),
        "ties in a circle": ("{'hidden': 'pad', 'pad': 'hidden'}", PAD),
    }
    made += [
        ModelAttack(
            name, "count", "ties", fitted(setup=CLAIM.replace("{}", claim), init=pad), fitted(init=pad)
        )
        for name, (claim, pad) in ties.items()
    ]
    statistics = {
        "a mean of no norm": fitted("running_mean"),
        "a variance of no norm": fitted("running_var", "400"),
        "a mean beside a scale of another shape": fitted(
            "running_mean",
            "400",
            init="self.register_buffer('running_var', torch.zeros(400))\n"
            "self.weight = nn.Parameter(torch.zeros(1))\nself.bias = nn.Parameter(torch.zeros(1))",
        ),
    }
    made += [
        ModelAttack(name, "count", "statistics", source, source.replace("running_", "walking_"))
        for name, source in statistics.items()
    ]
    wide, twin = fitted(dtype="torch.float64"), fitted(shape="2, 400")
    twin = twin.replace("a.reshape(2, 400)", "a.reshape(1, 400)").replace(
        "self.hidden.float().reshape(40, 10)", "self.hidden[0].reshape(40, 10)"
    )
    made.append(ModelAttack("numbers of twice the width", "count", "width", wide, twin))
    made += [
        ModelAttack(f"whole numbers: {kind}", "count", "whole", fitted(dtype=f"torch.{kind}"), fitted())
        for kind in ("int64", "int16")
    ]
    return made


ATTACKS = _attacks()
