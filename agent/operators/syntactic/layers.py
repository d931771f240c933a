"""Mutations that add, remove, duplicate, replace or bypass a layer together with its call."""

from __future__ import annotations

import random

import libcst as cst

from evoarch.agent.operators.syntactic.dataflow import (
    Change,
    FlowContext,
    brief,
    chain,
    flow_after,
    gives_classes,
    propagated,
)
from evoarch.agent.operators.syntactic.view import Layer, View, code, line_of, literal, with_items
from evoarch.agent.operators.syntactic.vocabulary import (
    activation,
    conv,
    expression,
    follower,
    global_pool,
    layer,
    norm,
    pool,
    recurrent,
    star,
)
from evoarch.agent.operators.syntactic.walking import Edit, rewrite


def fresh(view: View, owner: str, stem: str) -> str:
    """An attribute name that `owner` doesn't use yet: stem, stem2, stem3, ..."""
    taken = {attribute for (name, attribute) in [*view.mentions, *view.definitions] if name == owner}
    names = (stem if number == 1 else f"{stem}{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def called(attribute: str, value: cst.BaseExpression) -> cst.Call:
    """The expression `self.attribute(value)`."""
    return cst.Call(cst.Attribute(cst.Name("self"), cst.Name(attribute)), [cst.Arg(value)])


def _on_outputs(name: str, target: str, *, along_length: bool) -> str:
    if along_length:
        return f"{target} = self.{name}({target}.transpose(1, 2)).transpose(1, 2)"
    return f"{target} = self.{name}({target})"


def _followed_by(line: cst.SimpleStatementLine) -> Edit:
    return lambda old: cst.FlattenSentinel([old, line])


def inserted(
    view: View, after: Layer, new: cst.BaseExpression, stem: str, *, along_length: bool = False
) -> cst.Module | None:
    """The module with a new layer behind `after`: as the next item of its container, or as an attribute
    defined on the next line and called around each call of `after`, or on the line after a recurrent
    layer's outputs are unpacked (`along_length`: transposed, so that it sees (batch, channels, length)).
    None where nothing of this can be done."""
    if after.container is not None:
        items = [arg.value for arg in after.container.args]
        items.insert(after.index + 1, new)
        return rewrite(view.module, {after.container: with_items(after.container, items)})
    key = (after.owner, after.attribute)
    uses = view.wrappable(*key) if after.attribute and after.spec.kind != "recurrent" else []
    unpacked = view.unpacked.get(key, [])
    defined = view.definitions.get(key, [])
    statement = defined[0].statement if len(defined) == 1 else None
    if statement is None or not (uses or unpacked):
        return None
    name = fresh(view, after.owner, stem)
    edits: dict[cst.CSTNode, Edit | cst.CSTNode] = {}
    for use in uses:
        edits[use] = lambda call: called(name, call)  # type: ignore[arg-type]
    for line, target in unpacked:
        edits[line] = _followed_by(line_of(_on_outputs(name, target, along_length=along_length)))
    edits[statement] = _followed_by(line_of(f"self.{name} = {code(new)}"))
    return rewrite(view.module, edits)


def _sites(view: View, context: FlowContext) -> list[Layer]:
    """Layers behind which something can be put: reached by a container or a plain call, not the scores."""
    return [
        found
        for found in view.layers
        if (found.container is not None or (found.attribute and view.wrappable(found.owner, found.attribute)))
        and found.spec.kind not in ("recurrent", "attention")
        and not (found.spec.gives and gives_classes(view, found, context))
    ]


_STEMS = {"activation": "act", "dropout": "drop", "norm": "norm", "pooling": "pool", "linear": "hidden"}


def add(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """A new layer of a kind that fits behind an old one."""
    recurrent = [found for found in view.layers if (found.owner, found.attribute) in view.unpacked]
    sites = [*_sites(view, context), *recurrent]
    if not sites:
        return None
    after = rng.choice(sites)
    flow = flow_after(view, after)
    along = flow.recurrent and rng.random() < 0.6
    new, kind = follower(rng, flow.width, 1 if along else flow.rank)
    module = inserted(view, after, expression(new), _STEMS.get(kind, "extra"), along_length=along)
    return Change(module, f"added {kind} after {after.attribute or after.name}") if module else None


def remove(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """One layer less, with its call; the consumers take what it took."""
    sites = [
        found for found in _sites(view, context) if found.container is None or len(found.container.args) > 1
    ]
    if not sites:
        return None
    gone = rng.choice(sites)
    edits: dict[cst.CSTNode, Edit | cst.CSTNode] = {}
    if gone.spec.gives:
        old, new = gone.number(gone.spec.gives), gone.number(gone.spec.takes)
        if old and new and old != new:
            edits.update(propagated(view, gone, old, new))
    if gone.container is not None:

        def shorter(container: cst.CSTNode) -> cst.CSTNode:
            assert isinstance(container, cst.Call)
            items = [arg.value for arg in container.args]
            return with_items(container, items[: gone.index] + items[gone.index + 1 :])

        edits[gone.container] = shorter
    else:
        edits.update(_uncalled(view, gone.owner, gone.attribute))
    return Change(rewrite(view.module, edits), f"removed {gone.attribute or brief(gone.call)}")


def _uncalled(view: View, owner: str, attribute: str) -> dict[cst.CSTNode, Edit | cst.CSTNode]:
    edits: dict[cst.CSTNode, Edit | cst.CSTNode] = {}
    for use in view.wrappable(owner, attribute):
        edits[use] = lambda call: call.args[0].value  # type: ignore[attr-defined]
    statement = view.definitions[owner, attribute][0].statement
    if statement is not None:
        edits[statement] = lambda _: cst.RemoveFromParent()
    return edits


def duplicate(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """The same layer again behind itself, taking what it gives, behind an activation of its own."""
    sites = [found for found in _sites(view, context) if found.spec.gives]
    if not sites:
        return None
    twin = rng.choice(sites)
    call = twin.with_argument(twin.spec.takes, twin.text(twin.spec.gives) or "1")
    if twin.spec.kind == "conv" and (twin.number("stride") or 1) > 1:
        call = Layer(call, twin.name, twin.owner).with_argument("stride", 1)
        size = (twin.number("kernel_size") or 1) * (twin.number("dilation") or 1)
        call = Layer(call, twin.name, twin.owner).with_argument("padding", size // 2)
    new = expression(f"nn.Sequential({activation(rng)}, {code(call)})")
    module = inserted(view, twin, new, f"{twin.attribute or 'again'}_")
    return Change(module, f"duplicated {twin.attribute or twin.name}") if module else None


def _replacement(view: View, found: Layer, rng: random.Random) -> str | None:
    """Another layer for the same place, or None."""
    spec, takes = found.spec, found.text(found.spec.takes) if found.spec.takes else ""
    gives = found.text(spec.gives) if spec.gives else ""
    rank = spec.rank
    if spec.kind == "conv" and takes and gives:
        step, kernel = found.number("stride") or 1, found.number("kernel_size") or 3
        depthwise = layer(
            f"Conv{rank}d", takes, takes, kernel, stride=step, padding=kernel // 2, groups=takes
        )
        narrow = max(1, int(gives) // 2) if gives.isdigit() else gives
        reduce = layer(f"Conv{rank}d", takes, narrow, 1)
        choices = [
            f"nn.Sequential({depthwise}, {layer(f'Conv{rank}d', takes, gives, 1)})",
            conv(rng, takes, gives, rank, stride=step),
            f"nn.Sequential({reduce}, {activation(rng)}, {conv(rng, narrow, gives, rank, stride=step)})",
            f"nn.Sequential({conv(rng, takes, gives, rank)}, {layer(f'MaxPool{rank}d', max(2, step))})",
            star(rng, takes, gives, rank, stride=step),
            f"Recurrent({layer('GRU', takes, gives, batch_first=True)})",
        ]
        return rng.choice(choices)
    if spec.kind == "linear" and takes and gives:
        narrow = rng.choice((4, 8, 16, 24, 32))
        body = f"{layer('Linear', takes, narrow)}, {activation(rng)}, {layer('Linear', narrow, gives)}"
        return rng.choice((f"nn.Sequential({body})", layer("Linear", takes, gives, bias=False)))
    if spec.kind == "norm" and takes and found.name != "LayerNorm":
        return norm(rng, takes, rank or 1)
    if spec.kind == "adaptive" and rank and (width := flow_after(view, found).width):
        return global_pool(rng, width, rank)
    if spec.kind in ("pool", "adaptive") and rank:
        return rng.choice((pool(rng, rank), layer(f"AvgPool{rank}d", 2), layer(f"MaxPool{rank}d", 2)))
    if spec.kind == "activation":
        return activation(rng)
    if spec.kind == "recurrent":
        return code(found.call.with_changes(func=expression("nn.GRU" if found.name != "GRU" else "nn.LSTM")))
    return None


def replace(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """Another layer in the place of an old one, taking and giving the same widths."""
    sites = [found for found in view.layers if not (found.spec.kind == "linear" and rng.random() < 0.5)]
    if not sites:
        return None
    old = rng.choice(sites)
    text = _replacement(view, old, rng)
    if text is None:
        return None
    new = expression(text)
    what = f"replaced {old.attribute or old.name} by {brief(new)}"
    return Change(rewrite(view.module, {old.call: new}), what)


def residual(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """A shortcut around one layer; a pointwise one where width or length changes."""
    sites = [
        found
        for found in view.layers
        if found.spec.kind in ("conv", "linear")
        and not gives_classes(view, found, context)
        and found.text(found.spec.takes) not in ("", "1")
        and found.text(found.spec.gives)
    ]
    if not sites:
        return None
    chosen = rng.choice(sites)
    spec = chosen.spec
    takes, gives, step = chosen.text(spec.takes), chosen.text(spec.gives), chosen.number("stride") or 1
    call = chosen.call
    if spec.kind == "conv":
        size = chosen.number("kernel_size") or 3
        if size % 2 == 0:
            call = Layer(call, chosen.name, "").with_argument("kernel_size", size + 1)
        padding = (size // 2) * (chosen.number("dilation") or 1)
        call = Layer(call, chosen.name, "").with_argument("padding", padding)
    parts = [code(call)]
    if takes != gives or step != 1:
        pointwise = layer(f"Conv{spec.rank}d", takes, gives, 1, **({"stride": step} if step != 1 else {}))
        parts.append(pointwise if spec.kind == "conv" else layer("Linear", takes, gives))
    new = expression(f"Residual({', '.join(parts)})")
    return Change(
        rewrite(view.module, {chosen.call: new}), f"residual around {chosen.attribute or chosen.name}"
    )


def _flattened(call: cst.Call) -> cst.BaseExpression | None:
    """What a functional flatten flattens from dimension 1 on: x.flatten(1), torch.flatten(x, 1),
    x.view(n, -1), x.reshape(n, -1)."""
    if not isinstance(call.func, cst.Attribute):
        return None
    name, values = call.func.attr.value, [arg.value for arg in call.args]
    receiver = call.func.value
    if code(receiver) == "torch":
        if not values:
            return None
        receiver, values = values[0], values[1:]
    if name == "flatten" and len(values) == 1 and literal(values[0]) == 1:
        return receiver
    if (
        name in ("view", "reshape")
        and len(values) == 2
        and code(values[1]) == "-1"
        and code(values[0]) != "-1"
    ):
        return receiver
    return None


def pooled(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """Global pooling in the place of a flatten behind convolutions or recurrent layers: far fewer
    parameters in the linear layer that follows, whose width is set along where that is evident."""
    body = [found for found in view.layers if found.spec.kind in ("conv", "recurrent")]
    if not body:
        return None
    flats = [call for _, call in view.calls if _flattened(call) is not None]
    items = [found for found in view.layers if found.name == "Flatten" and found.container is not None]
    last = body[-1]
    flow = flow_after(view, last)
    axis = "1" if flow.recurrent else "-1" if flow.rank == 1 else "(-2, -1)"
    edits: dict[cst.CSTNode, Edit | cst.CSTNode] = {}
    for found in view.layers[view.layers.index(last) + 1 :]:
        if found.spec.kind == "linear":
            if flow.width and found.number(found.spec.takes) is not None:
                edits[found.call] = found.with_argument(found.spec.takes, flow.width)
            break
    if flats:
        call = rng.choice(flats)
        name = rng.choice(("mean", "amax", "amax"))
        edits[call] = lambda _: expression(f"{code(_flattened(call) or call)}.{name}({axis})")
        return Change(rewrite(view.module, edits), f"flatten -> global {name}")
    if items and flow.rank and chain(view, items[0]):
        flat = rng.choice(items)
        maximum = layer(f"AdaptiveMaxPool{flow.rank}d", 1)
        new = global_pool(rng, flow.width, flow.rank) if flow.width else maximum
        edits[flat.call] = expression(f"nn.Sequential({new}, nn.Flatten())")
        return Change(rewrite(view.module, edits), f"flatten -> {brief(expression(new))}")
    return None


def recurrent_first(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """A recurrent layer along the length before the first convolution, which then takes what it gives."""
    first = next((found for found in view.layers if found.spec.kind in ("conv", "recurrent")), None)
    if first is None or first.spec.kind == "recurrent" or not first.text(first.spec.takes):
        return None
    both, hidden = rng.random() < 0.6, rng.choice((2, 3, 4, 6, 8, 12, 16))
    new = recurrent(rng, first.text(first.spec.takes), hidden, bidirectional=both)
    reads = first.with_argument(first.spec.takes, hidden * (2 if both else 1))
    text = f"nn.Sequential(Recurrent({new}), {code(reads)})"
    return Change(rewrite(view.module, {first.call: expression(text)}), f"{new} before the convolutions")


def strided_late(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """The first stride moved to a later convolution, so that the first layers see every position."""
    convs = [found for found in view.layers if found.spec.kind == "conv"]
    strided = [found for found in convs if (found.number("stride") or 1) > 1]
    later = convs[convs.index(strided[0]) + 1 :] if strided else []
    if not later:
        return None
    first, other = strided[0], rng.choice(later)
    stride = (first.number("stride") or 1) * (other.number("stride") or 1)
    edits: dict[cst.CSTNode, Edit | cst.CSTNode] = {
        first.call: first.with_argument("stride", 1),
        other.call: other.with_argument("stride", stride),
    }
    what = f"stride of {first.attribute or first.name} moved to {other.attribute or other.name}"
    return Change(rewrite(view.module, edits), what)
