"""Inference: resampling, intervals, tests, noise ceilings over subjects, and the choice of a layer."""
