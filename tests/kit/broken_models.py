"""Models whose shapes do not fit, each with what the shape repair makes of the place."""

from collections.abc import Mapping


def model(layers: str, forward: str, before: str = "") -> str:
    """A model file of `self.` definitions and forward lines, each split at ';'."""
    init = "\n".join(f"        self.{line.strip()}" for line in layers.split(";") if line.strip())
    body = "\n".join(f"        {line.strip()}" for line in forward.split(";"))
    return (
        f"import torch\nfrom torch import nn\nimport torch.nn.functional as F\n{before}\n\n"
        f"class Model(nn.Module):\n    def __init__(self):\n        super().__init__()\n{init}\n\n"
        f"    def forward(self, x):\n{body}\n"
    )


CONV = "x = x.unsqueeze(1); x = self.net(x); return self.fc(x.mean(-1))"
BLOCK = """
class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.conv(x))
"""

BROKEN: Mapping[str, tuple[str, str]] = {
    "in_features": (
        model("a = nn.Linear(40, 12); b = nn.Linear(20, 10)", "return self.b(self.a(x))"),
        "nn.Linear(12, 10)",
    ),
    "item of a Sequential": (
        model("net = nn.Sequential(nn.Linear(40, 12), nn.ReLU(), nn.Linear(9, 10))", "return self.net(x)"),
        "nn.Linear(12, 10)",
    ),
    "linear after flatten": (
        model(
            "c = nn.Conv1d(1, 4, 3); fc = nn.Linear(7, 10)", "return self.fc(self.c(x[:, None]).flatten(1))"
        ),
        "nn.Linear(152, 10)",
    ),
    "flatten forgotten": (
        model("c = nn.Conv1d(1, 4, 3); fc = nn.Linear(152, 10)", "x = self.c(x[:, None]); return self.fc(x)"),
        "self.fc(x.flatten(1))",
    ),
    "pooling forgotten": (
        model("c = nn.Conv1d(1, 4, 3); fc = nn.Linear(4, 10)", "x = self.c(x[:, None]); return self.fc(x)"),
        "self.fc(x.mean(-1))",
    ),
    "in_channels": (
        model("net = nn.Sequential(nn.Conv1d(1, 8, 3), nn.Conv1d(5, 6, 3)); fc = nn.Linear(6, 10)", CONV),
        "nn.Conv1d(8, 6, 3)",
    ),
    "depthwise": (
        model(
            "net = nn.Sequential(nn.Conv1d(1, 8, 3), nn.Conv1d(6, 6, 3, groups=6)); fc = nn.Linear(8, 10)",
            CONV,
        ),
        "nn.Conv1d(8, 8, 3, groups=8)",
    ),
    "constructor of a block": (
        model("net = nn.Sequential(Block(1, 8), Block(4, 6)); fc = nn.Linear(6, 10)", CONV, BLOCK),
        "Block(8, 6)",
    ),
    "module list": (
        model(
            "blocks = nn.ModuleList([Block(1, 8), Block(4, 6)]); fc = nn.Linear(6, 10)",
            "x = x[:, None];x = self.blocks[1](self.blocks[0](x)); return self.fc(x.mean(-1))",
            BLOCK,
        ),
        "Block(8, 6)",
    ),
    "channel dimension": (
        model("c = nn.Conv1d(1, 4, 3); fc = nn.Linear(4, 10)", "x = self.c(x); return self.fc(x.mean(-1))"),
        "self.c(x.unsqueeze(1))",
    ),
    "too many dimensions": (
        model(
            "c = nn.Conv1d(1, 4, 3); fc = nn.Linear(4, 10)",
            "x = self.c(x[:, None, None]); return self.fc(x.mean(-1))",
        ),
        ".flatten(1, -2)",
    ),
    "2d layers": (
        model(
            "c = nn.Conv2d(1, 4, 3); n = nn.BatchNorm2d(4); fc = nn.Linear(4, 10)",
            "x = F.max_pool2d(self.n(self.c(x[:, None])), 2); return self.fc(x.mean(-1))",
        ),
        "F.max_pool1d(",
    ),
    "batch norm": (
        model("net = nn.Sequential(nn.Conv1d(1, 8, 3), nn.BatchNorm1d(5)); fc = nn.Linear(8, 10)", CONV),
        "nn.BatchNorm1d(8)",
    ),
    "layer norm": (
        model(
            "a = nn.Linear(40, 12); n = nn.LayerNorm(7); b = nn.Linear(12, 10)",
            "return self.b(self.n(self.a(x)))",
        ),
        "nn.LayerNorm(12)",
    ),
    "layer norm over channels": (
        model("net = nn.Sequential(nn.Conv1d(1, 8, 3), nn.LayerNorm(8)); fc = nn.Linear(8, 10)", CONV),
        "nn.GroupNorm(1, 8)",
    ),
    "group norm": (
        model("net = nn.Sequential(nn.Conv1d(1, 6, 3), nn.GroupNorm(4, 8)); fc = nn.Linear(6, 10)", CONV),
        "nn.GroupNorm(3, 6)",
    ),
    "groups of a norm": (
        model("net = nn.Sequential(nn.Conv1d(1, 6, 3), nn.GroupNorm(4, 6)); fc = nn.Linear(6, 10)", CONV),
        "nn.GroupNorm(2, 6)",
    ),
    "groups": (
        model(
            "net = nn.Sequential(nn.Conv1d(1, 8, 3), nn.Conv1d(8, 6, 3, groups=4)); fc = nn.Linear(6, 10)",
            CONV,
        ),
        "nn.Conv1d(8, 6, 3, groups=2)",
    ),
    "input size of a GRU": (
        model(
            "g = nn.GRU(3, 6, batch_first=True); fc = nn.Linear(6, 10)",
            "h, _ = self.g(x[:, :, None]); return self.fc(h[:, -1])",
        ),
        "nn.GRU(1, 6",
    ),
    "outputs of a GRU": (
        model(
            "g = nn.GRU(1, 6, batch_first=True); fc = nn.Linear(6, 10)",
            "x = self.g(x[:, :, None]); return self.fc(x).mean(1)",
        ),
        "self.g(x[:, :, None])[0]",
    ),
    "GRU in a Sequential": (
        model("net = nn.Sequential(nn.GRU(40, 6), nn.Linear(6, 10))", "return self.net(x)"),
        "nn.GRU(40, 6), Outputs(), nn.Linear(6, 10)",
    ),
    "unpacked linear": (
        model("a = nn.Linear(40, 10)", "x, _ = self.a(x); return x"),
        "x = self.a(x)",
    ),
    "attention": (
        model(
            "a = nn.MultiheadAttention(8, 2, batch_first=True); fc = nn.Linear(40, 10)",
            "x = x[:, None]; x, _ = self.a(x, x, x); return self.fc(x.mean(1))",
        ),
        "nn.MultiheadAttention(40, 2",
    ),
    "GRU after a convolution": (
        model(
            "c = nn.Conv1d(1, 8, 3); g = nn.GRU(5, 6); fc = nn.Linear(6, 10)",
            "h = self.c(x[:, None]); h, _ = self.g(h); return self.fc(h.mean(-1))",
        ),
        "Recurrent(nn.GRU(8, 6, batch_first=True))",
    ),
    "GRU that was built for the channels": (
        model(
            "g = nn.GRU(8, 6, batch_first=True); fc = nn.Linear(6, 10)",
            "h = self.g(x.unflatten(1, (8, 5)))[0]; return self.fc(h.mean(-1))",
        ),
        "Recurrent(nn.GRU(8, 6, batch_first=True))",
    ),
    "GRU behind a convolution in a Sequential": (
        model(
            "net = nn.Sequential(nn.Conv1d(1, 8, 3), nn.ReLU(), nn.GRU(3, 6)); fc = nn.Linear(6, 10)",
            "return self.fc(self.net(x[:, None]).mean(-1))",
        ),
        "Recurrent(nn.GRU(8, 6, batch_first=True))",
    ),
    "GRU whose axes were turned by hand": (
        model(
            "c = nn.Conv1d(1, 8, 3); g = nn.GRU(5, 6, batch_first=True); fc = nn.Linear(6, 10)",
            "h = self.c(x[:, None]).transpose(1, 2); h, _ = self.g(h); return self.fc(h[:, -1])",
        ),
        "self.g = nn.GRU(8, 6, batch_first=True)",
    ),
    "attention after a convolution": (
        model(
            "c = nn.Conv1d(1, 8, 3); a = nn.MultiheadAttention(6, 2); fc = nn.Linear(8, 10)",
            "h = self.c(x[:, None]); h, _ = self.a(h, h, h); return self.fc(h.mean(-1))",
        ),
        "Transposed(nn.MultiheadAttention(8, 2, batch_first=True))",
    ),
    "layer norm after a convolution": (
        model(
            "c = nn.Conv1d(1, 8, 3); n = nn.LayerNorm(5); fc = nn.Linear(8, 10)",
            "h = self.c(x[:, None]); h = self.n(h); return self.fc(h.mean(-1))",
        ),
        "nn.GroupNorm(1, 8)",
    ),
    "heads": (
        model(
            "a = nn.MultiheadAttention(40, 6, batch_first=True); fc = nn.Linear(40, 10)",
            "x = x[:, None]; x, _ = self.a(x, x, x); return self.fc(x.mean(1))",
        ),
        "nn.MultiheadAttention(40, 2",
    ),
    "kernel": (
        model("net = nn.Sequential(nn.Conv1d(1, 8, 30), nn.Conv1d(8, 6, 15)); fc = nn.Linear(6, 10)", CONV),
        "nn.Conv1d(8, 6, 15, padding=7)",
    ),
    "pooling": (
        model("net = nn.Sequential(nn.Conv1d(1, 8, 40), nn.MaxPool1d(2)); fc = nn.Linear(8, 10)", CONV),
        "nn.AdaptiveMaxPool1d(1)",
    ),
    "functional pooling": (
        model(
            "c = nn.Conv1d(1, 8, 40); fc = nn.Linear(8, 10)",
            "x = F.avg_pool1d(self.c(x[:, None]), 2); return self.fc(x.flatten(1))",
        ),
        "F.adaptive_avg_pool1d(",
    ),
    "padding of a pooling": (
        model(
            "net = nn.Sequential(nn.Conv1d(1, 8, 3), nn.MaxPool1d(2, padding=2)); fc = nn.Linear(8, 10)", CONV
        ),
        "nn.MaxPool1d(2, padding=0)",
    ),
    "dropout": (
        model("a = nn.Linear(40, 10); d = nn.Dropout(1.5)", "return self.d(self.a(x))"),
        "nn.Dropout(0.5)",
    ),
    "channels of an addition": (
        model("a = nn.Linear(40, 12); b = nn.Linear(12, 10)", "h = self.b(self.a(x)); return h + x"),
        "fit(",
    ),
    "length of an addition": (
        model(
            "a = nn.Conv1d(1, 4, 3); b = nn.Conv1d(4, 4, 3); fc = nn.Linear(4, 10)",
            "x = self.a(x[:, None]); x = x + self.b(x); return self.fc(x.mean(-1))",
        ),
        "x = fit(x, branch) + branch",
    ),
    "addition in place": (
        model("a = nn.Linear(40, 10)", "h = self.a(x); h += x; return h"),
        "h += fit(x, h)",
    ),
    "view": (
        model(
            "c = nn.Conv1d(1, 4, 3); fc = nn.Linear(152, 10)",
            "x = self.c(x[:, None]); return self.fc(x.view(-1, 77))",
        ),
        "x.flatten(1)",
    ),
    "view that is not contiguous": (
        model(
            "fc = nn.Linear(40, 10)",
            "x = x.unflatten(1, (8, 5)).transpose(1, 2); return self.fc(x.view(-1, 40))",
        ),
        "x.reshape(-1, 40)",
    ),
    "dimension": (
        model("fc = nn.Linear(40, 10)", "return self.fc(x.mean(2))"),
        "self.fc(x)",
    ),
    "undefined layer": (
        model("fc = nn.Linear(40, 10)", "return self.fc(self.drop(x))"),
        "return self.fc(x)",
    ),
    "missing import": (
        model("fc = nn.Linear(40, 10)", "return self.fc(x)")
        .replace("from torch import nn\n", "\n")
        .replace("class Model(nn.Module)", "class Model(torch.nn.Module)"),
        "from torch import nn",
    ),
    "undeclared offer": (
        model("fc = nn.Linear(40, num_classes)", "return self.fc(x)"),
        "def __init__(self, num_classes):",
    ),
    "unknown argument": (
        model("fc = nn.Linear(40, 10, padding=1)", "return self.fc(x)"),
        "nn.Linear(40, 10)",
    ),
    "missing argument": (
        model("c = nn.Conv1d(1, 4); fc = nn.Linear(4, 10)", "return self.fc(self.c(x[:, None]).mean(-1))"),
        "nn.Conv1d(1, 4, kernel_size=3)",
    ),
    "classes": (model("fc = nn.Linear(40, 25)", "return self.fc(x)"), "nn.Linear(40, 10)"),
    "no linear at the end": (
        model("c = nn.Conv1d(1, 4, 3)", "return self.c(x[:, None]).mean(-1)"),
        "return self.head(self.c(x[:, None]).mean(-1))",
    ),
    "length in the output": (
        model("c = nn.Conv1d(1, 10, 3)", "return self.c(x[:, None])"),
        "return self.c(x[:, None]).mean(-1)",
    ),
    "several outputs": (model("fc = nn.Linear(40, 10)", "return self.fc(x), x"), "return (self.fc(x), x)[0]"),
    "function as entry": (
        "from torch import nn\n\n\ndef Model(num_classes):\n"
        "    net = nn.Sequential(nn.Linear(40, 12), nn.Linear(7, num_classes))\n    return net\n",
        "nn.Linear(12, num_classes)",
    ),
}
