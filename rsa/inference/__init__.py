"""Inference: resampling, intervals, tests, noise ceilings, and the choice of a layer."""
