import torch
import torch.nn as nn


def mlp(inputs, hidden, outputs, norm=True):
    """Two hidden layers; a norm behind all but the decoder. Only few inputs start with biases."""
    first, second, third = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, outputs)
    for layer in (first, second, third):
        nn.init.trunc_normal_(layer.weight, std=layer.in_features**-0.5)
        if layer.in_features >= hidden:
            nn.init.zeros_(layer.bias)
    last = nn.LayerNorm(outputs) if norm else nn.Identity()
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third, last)


def grid_graph(shape):
    """The edges between neighbours on a line or grid: senders, receivers, and offsets with their lengths."""
    axes = [torch.arange(size) for size in shape]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    number = torch.arange(places[..., 0].numel()).view(*shape)
    senders, receivers = [], []
    for axis, size in enumerate(shape):
        low = number.narrow(axis, 0, size - 1).flatten()
        high = number.narrow(axis, 1, size - 1).flatten()
        senders += [low, high]
        receivers += [high, low]
    sender, receiver = torch.cat(senders), torch.cat(receivers)
    places = places.flatten(0, -2).float()
    offset = places[sender] - places[receiver]
    return sender, receiver, torch.cat([offset, offset.norm(dim=1, keepdim=True)], 1)


class Message(nn.Module):
    """Each edge reads itself and its two nodes, each node itself and the sum of its edges; both are added."""

    def __init__(self, hidden):
        super().__init__()
        self.edge = mlp(3 * hidden, hidden, hidden)
        self.node = mlp(2 * hidden, hidden, hidden)

    def forward(self, nodes, edges, sender, receiver):
        new = self.edge(torch.cat([edges, nodes[:, sender], nodes[:, receiver]], 2))
        total = torch.zeros_like(nodes).index_add(1, receiver, new)
        return nodes + self.node(torch.cat([nodes, total], 2)), edges + new


class Model(nn.Module):
    """MeshGraphNets: encode nodes and edges, pass messages, decode the nodes.

    The nodes are the places of the input, neighbours are joined. dense: logits of each node, else of all:
    the largest value of each channel is decoded.
    """

    def __init__(self, input_shape, num_classes, width=1.0, hidden=128, steps=15, dense=False):
        super().__init__()
        self.dense = dense
        hidden = max(1, round(width * hidden))
        sender, receiver, offset = grid_graph(input_shape[1:])
        self.register_buffer("sender", sender, persistent=False)
        self.register_buffer("receiver", receiver, persistent=False)
        self.register_buffer("offset", offset, persistent=False)
        self.normalise = nn.BatchNorm1d(input_shape[0], affine=False)
        self.encode_node = mlp(input_shape[0], hidden, hidden)
        self.encode_edge = mlp(len(input_shape), hidden, hidden)
        self.steps = nn.ModuleList(Message(hidden) for _ in range(steps))
        self.decode = mlp(hidden, hidden, num_classes, norm=False)

    def forward(self, x):
        nodes = self.encode_node(self.normalise(x.flatten(2)).transpose(1, 2))
        edges = self.encode_edge(self.offset).expand(len(x), -1, -1)
        for step in self.steps:
            nodes, edges = step(nodes, edges, self.sender, self.receiver)
        if not self.dense:
            return self.decode(nodes.amax(1))
        return self.decode(nodes).transpose(1, 2).unflatten(2, x.shape[2:])
