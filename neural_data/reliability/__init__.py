"""Reliability: split halves, the ceilings they give, and agreement between animals."""
