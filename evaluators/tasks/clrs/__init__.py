"""CLRS-30 (Velickovic et al. 2022): evolve the message function of graph networks that learn algorithms."""
