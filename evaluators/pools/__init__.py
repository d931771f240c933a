"""Pools: where children run. One seam, this machine or a cluster behind it."""
