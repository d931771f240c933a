"""Digests of CLRS-30 samples as the complete dm-clrs package draws and processes them.

Run it in a throw-away environment (2.9 GB: JAX, TensorFlow):

    python -m venv /tmp/clrs-full && /tmp/clrs-full/bin/pip install dm-clrs==2.0.3
    /tmp/clrs-full/bin/python benchmarks/clrs_samples.py bfs heapsort kmp_matcher --samples 8

It uses the package's public API with real JAX (build_sampler, process_pred_as_input, process_permutations)
and prints JSON: "<algorithm>.<split>" to digest. tests/evaluators/test_clrs_samples.py
holds such a table for a few samples, evaluators/tasks/clrs/digests.json that of whole splits, against which
`prepare` checks its caches.
"""

import argparse
import importlib.util
import json
import pathlib
import sys

import clrs
import numpy as np

SCRIPT = pathlib.Path(__file__).parents[1] / "evaluators/tasks/clrs/sampling.py"


def load_sampling():
    spec = importlib.util.spec_from_file_location("sampling", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["sampling"] = module
    spec.loader.exec_module(module)
    return module


def official(sampling, split, algorithm, samples):
    """Arrays of one split in the stored form, every processing step done by dm-clrs itself."""
    multiplier = clrs.CLRS_30_ALGS_SETTINGS[algorithm]["num_samples_multiplier"]
    plan = sampling.plan(split, algorithm, multiplier, samples)
    arrays = {}
    for nodes, seed in zip(plan.nodes, plan.seeds, strict=True):
        sampler, spec = clrs.build_sampler(algorithm, plan.samples, seed=seed, length=nodes, **plan.arguments)
        feedbacks = iter([sampler.next()])
        if algorithm in sampling.PREDECESSORS_ARE_INPUTS:
            spec, feedbacks = clrs.process_pred_as_input(spec, feedbacks)
        spec, feedbacks = clrs.process_permutations(spec, feedbacks, enforce_permutations=True)
        feedback = next(feedbacks)
        arrays[f"{nodes}/length"] = np.asarray(feedback.features.lengths, np.int16)
        groups = {
            "input": feedback.features.inputs,
            "hint": feedback.features.hints,
            "output": feedback.outputs,
        }
        for stage, points in groups.items():
            for point in points:
                data = np.asarray(point.data)
                if stage == "hint":
                    data = np.moveaxis(data, 0, 1)
                    data = data if plan.hints else data[:, :1]
                if point.type_ == clrs.Type.PERMUTATION_POINTER:
                    data = data.argmax(-1)
                arrays[f"{nodes}/{stage}/{point.name}"] = sampling.compact(point.type_, data)
    return arrays


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("algorithms", nargs="*", default=clrs._src.specs.CLRS_30_ALGS)
    parser.add_argument("--samples", type=int, default=0, help="0: the benchmark's number")
    parser.add_argument("--splits", nargs="+", default=["train", "validation", "test"])
    options = parser.parse_args()
    sampling = load_sampling()
    table = {}
    for algorithm in options.algorithms:
        for split in options.splits:
            arrays = official(sampling, split, algorithm, options.samples)
            table[f"{algorithm}.{split}"] = sampling.digest(arrays)
            print(f"{algorithm} {split}", file=sys.stderr, flush=True)
    print(json.dumps(table, indent=0))


if __name__ == "__main__":
    main()
