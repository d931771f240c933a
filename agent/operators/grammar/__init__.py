"""A typed grammar of fundamental operations: architectures without a language model.

In the spirit of einspace (Ericsson et al. 2024, arXiv 2405.20838): computation, branching, aggregation and
routing, over typed tensors. A derivation is a tree of terms (`terms`), its type the shape of one example
(`typing`); it is written as an ordinary model file (`writing`) and read back from one (`reading`), so that
a genome in the grammar carries its derivation in its own source.
"""

from evoarch.agent.operators.grammar.operators import GrammarCrossover, GrammarDraw, GrammarMutate

__all__ = ["GrammarCrossover", "GrammarDraw", "GrammarMutate"]
