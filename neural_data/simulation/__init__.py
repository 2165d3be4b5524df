"""The simulated data set: rendered objects and noisy sites that read out a network."""
