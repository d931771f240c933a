"""The 30 algorithms of CLRS-30 and their features (arXiv 2205.15659, as in dm-clrs 2.0.3)."""

from __future__ import annotations

from functools import cache

from evoarch.evaluators.tasks.clrs.inside.feature import Feature

# One record an algorithm: inputs | hints | outputs. A feature is name:location+kind, with the number of
# categories last. Locations n(ode), e(dge), g(raph). Kinds s(calar), m(ask), (mask_)o(ne), c(ategorical),
# p(ointer), P(ermutation pointer). Predecessors that never change stand among the inputs, and the order that
# a sorting algorithm returns is a cyclic permutation with a mask of its first node, as the benchmark has it.
_TABLE = """
activity_selector | pos:ns s:ns f:ns pred:np | selected_h:nm m:no k:no | selected:nm
articulation_points | pos:ns A:es adj:em |
    is_cut_h:nm pi_h:np color:nc3 d:ns f:ns low:ns child_cnt:ns s_prev:np s:no u:no v:no s_last:no time:gs |
    is_cut:nm
bellman_ford | pos:ns s:no A:es adj:em | pi_h:np d:ns msk:nm | pi:np
bfs | pos:ns s:no A:es adj:em | reach_h:nm pi_h:np | pi:np
binary_search | pos:ns key:ns target:gs pred:np | low:no high:no mid:no | return:no
bridges | pos:ns A:es adj:em |
    is_bridge_h:em pi_h:np color:nc3 d:ns f:ns low:ns s_prev:np s:no u:no v:no s_last:no time:gs |
    is_bridge:em
bubble_sort | pos:ns key:ns | pred_h:np i:no j:no | pred:nP pred_mask:no
dag_shortest_paths | pos:ns s:no A:es adj:em |
    pi_h:np d:ns mark:nm topo_h:np topo_head_h:no color:nc3 s_prev:np u:no v:no s_last:no phase:gm | pi:np
dfs | pos:ns A:es adj:em | pi_h:np color:nc3 d:ns f:ns s_prev:np s:no u:no v:no s_last:no time:gs | pi:np
dijkstra | pos:ns s:no A:es adj:em | pi_h:np d:ns mark:nm in_queue:nm u:no | pi:np
find_maximum_subarray_kadane | pos:ns key:ns pred:np |
    best_low:no best_high:no best_sum:gs i:no j:no sum:gs | start:no end:no
floyd_warshall | pos:ns A:es adj:em | Pi_h:ep D:es msk:em k:no | Pi:ep
graham_scan | pos:ns x:ns y:ns |
    best:no atans:ns in_hull_h:nm stack_prev:np last_stack:no i:no phase:gc5 | in_hull:nm
heapsort | pos:ns key:ns |
    pred_h:np parent:np i:no j:no largest:no heap_size:no phase:gc3 | pred:nP pred_mask:no
insertion_sort | pos:ns key:ns | pred_h:np i:no j:no | pred:nP pred_mask:no
jarvis_march | pos:ns x:ns y:ns pred:np |
    in_hull_h:nm best:no last_point:no endpoint:no i:no phase:gc2 | in_hull:nm
kmp_matcher | string:nm pos:ns key:nc4 pred:np |
    pi:np is_reset:nm k:no k_reset:gm q:no q_reset:gm s:no i:no phase:gm | match:no
lcs_length | string:nm pos:ns key:nc4 pred:np | b_h:ec4 c:es | b:ec4
matrix_chain_order | pos:ns p:ns pred:np | m:es s_h:ep msk:em | s:ep
minimum | pos:ns key:ns pred:np | min_h:no i:no | min:no
mst_kruskal | pos:ns A:es adj:em |
    in_mst_h:em pi:np u:no v:no root_u:no root_v:no mask_u:nm mask_v:nm phase:gc3 | in_mst:em
mst_prim | pos:ns s:no A:es adj:em | pi_h:np key:ns mark:nm in_queue:nm u:no | pi:np
naive_string_matcher | string:nm pos:ns key:nc4 pred:np | s:no i:no j:no | match:no
optimal_bst | pos:ns p:ns q:ns pred:np | root_h:ep e:es w:es msk:em | root:ep
quickselect | pos:ns key:ns | pred_h:np p:no r:no i:no j:no i_rank:gs target:gs pivot:no | median:no
quicksort | pos:ns key:ns | pred_h:np p:no r:no i:no j:no | pred:nP pred_mask:no
segments_intersect | pos:ns x:ns y:ns | i:no j:no k:no dir:ns on_seg:nm | intersect:gm
strongly_connected_components | pos:ns A:es adj:em |
    scc_id_h:np A_t:em color:nc3 d:ns f:ns s_prev:np s:no u:no v:no s_last:no time:gs phase:gm | scc_id:np
task_scheduling | pos:ns d:ns w:ns pred:np | selected_h:nm i:no t:gs | selected:nm
topological_sort | pos:ns A:es adj:em |
    topo_h:np topo_head_h:no color:nc3 s_prev:np s:no u:no v:no s_last:no | topo:np topo_head:no
"""

_LOCATIONS = {"n": "node", "e": "edge", "g": "graph"}
_KINDS = {
    "s": "scalar",
    "m": "mask",
    "o": "mask_one",
    "c": "categorical",
    "p": "pointer",
    "P": "permutation_pointer",
}


@cache
def algorithms() -> dict[str, tuple[Feature, ...]]:
    """Algorithm to features, in the order of their names."""
    found = {}
    for record in _TABLE.replace("\n ", " ").strip().splitlines():
        name, *groups = (part.strip() for part in record.split("|"))
        found[name] = tuple(
            _feature(text, stage)
            for stage, group in zip(("input", "hint", "output"), groups, strict=True)
            for text in group.split()
        )
    return found


def _feature(text: str, stage: str) -> Feature:
    name, code = text.split(":")
    return Feature(name, stage, _LOCATIONS[code[0]], _KINDS[code[1]], int(code[2:] or 1))


def features_of(algorithm: str) -> tuple[Feature, ...]:
    """The features of one algorithm; KeyError naming all of them for an unknown one."""
    try:
        return algorithms()[algorithm]
    except KeyError:
        known = ", ".join(algorithms())
        raise KeyError(f"algorithm: expected one of {known}; got {algorithm!r}") from None
