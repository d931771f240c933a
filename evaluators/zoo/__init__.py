"""The zoo: known architectures as model files that a campaign can start from.

Each family is one plain file in `families/`, and beside it a TOML file of facts: the paper, the published
variants with their parameter counts, how the family scales, and what it was checked against. `catalogue`
reads those facts.
"""
