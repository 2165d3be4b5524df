"""Pools: candidates whose RDMs are kept, so that any teacher can be tried on them."""
