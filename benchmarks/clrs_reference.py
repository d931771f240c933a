r"""What dm-clrs' own JAX network computes: weights, a batch, its logits and its loss, for a few algorithms.

Run it in the throw-away environment of clrs_samples.py; it writes the file that
tests/evaluators/test_clrs_network.py compares the PyTorch network with:

    /tmp/clrs-full/bin/python benchmarks/clrs_reference.py tests/data/clrs_reference.npz \
        triplet_gmpnn/bfs triplet_gmpnn/insertion_sort mpnn/bfs pgn/bfs gat/bfs

Arrays, each below `<processor>/<algorithm>/`: `shapes` (JSON: haiku's name of each weight to its shape) and
`weights` (all of them in that order, flat), `batch/<nodes>/...` as the caches have them, `output/<name>` and
`hint/<name>` (steps, examples, ...) logits, and `loss`. Logits are those of evaluation (no Gumbel noise), so
that they can be compared exactly.
"""

import argparse
import json

import clrs
import jax
import numpy as np
from clrs._src import baselines, losses
from clrs_samples import load_sampling

HIDDEN, NODES, EXAMPLES = 4, 5, 3


def reference(sampling, algorithm, processor, hidden):
    sampler, spec = clrs.build_sampler(algorithm, EXAMPLES, seed=5, length=NODES)
    feedbacks = iter([sampler.next()])
    if algorithm in sampling.PREDECESSORS_ARE_INPUTS:
        spec, feedbacks = clrs.process_pred_as_input(spec, feedbacks)
    spec, feedbacks = clrs.process_permutations(spec, feedbacks, enforce_permutations=True)
    feedback = next(feedbacks)
    factory = clrs.get_processor_factory(processor, use_ln=True, nb_triplet_fts=8, nb_heads=1)
    model = baselines.BaselineModel(
        spec, feedback, factory, hidden_dim=hidden, encode_hints=True, decode_hints=True,
        encoder_init="xavier_on_scalars", hint_repred_mode="soft",
    )  # fmt: skip
    model.init(feedback.features, 3)
    # Biases start at zero: moved, an error in them shows.
    noise = np.random.RandomState(7)
    model.params = jax.tree_util.tree_map(
        lambda w: w + 0.2 * noise.randn(*w.shape).astype(w.dtype), model.params
    )
    outputs, hints = model.net_fn.apply(
        model.params, jax.random.PRNGKey(0), [feedback.features],
        repred=True, algorithm_index=0, return_hints=True, return_all_outputs=False,
    )  # fmt: skip
    nodes = feedback.features.inputs[0].data.shape[1]
    loss = sum(losses.output_loss(p, outputs[p.name], nodes) for p in feedback.outputs)
    lengths = feedback.features.lengths
    for point in feedback.features.hints:
        loss += losses.hint_loss(point, [step[point.name] for step in hints], lengths, nodes)
    arrays = {"loss": np.float32(loss)}
    weights = {
        f"{module}/{name}": np.asarray(weight)
        for module, named in model.params.items()
        for name, weight in named.items()
    }
    shapes = json.dumps({name: weight.shape for name, weight in weights.items()})
    arrays["shapes"] = np.frombuffer(shapes.encode(), np.uint8)
    arrays["weights"] = np.concatenate([weight.ravel() for weight in weights.values()])
    for name, logits in outputs.items():
        arrays[f"output/{name}"] = np.asarray(logits)
    for point in feedback.features.hints:
        arrays[f"hint/{point.name}"] = np.stack([np.asarray(step[point.name]) for step in hints])
    groups = {"input": feedback.features.inputs, "hint": feedback.features.hints, "output": feedback.outputs}
    for stage, points in groups.items():
        for point in points:
            data = np.asarray(point.data)
            data = np.moveaxis(data, 0, 1) if stage == "hint" else data
            data = data.argmax(-1) if point.type_ == clrs.Type.PERMUTATION_POINTER else data
            arrays[f"batch/{nodes}/{stage}/{point.name}"] = sampling.compact(point.type_, data)
    arrays[f"batch/{nodes}/length"] = np.asarray(lengths, np.int16)
    return arrays


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("cases", nargs="+", help="<processor>/<algorithm>")
    options = parser.parse_args()
    sampling = load_sampling()
    found = {}
    for case in options.cases:
        processor, algorithm = case.split("/")
        arrays = reference(sampling, algorithm, processor, HIDDEN)
        found.update({f"{case}/{name}": array for name, array in arrays.items()})
        print(case, flush=True)
    np.savez_compressed(options.file, **found)


if __name__ == "__main__":
    main()
