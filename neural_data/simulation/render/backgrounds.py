"""Backgrounds with the spectrum of natural scenes: amplitude falls as 1/f, phases are random (Field 1987)."""

from collections.abc import Sequence

import numpy as np

from ....rsa.types import Array

MEAN, CONTRAST = 0.5, 0.1  # mean grey, and standard deviation inside one background


def pink_backgrounds(generators: Sequence[np.random.Generator], pixels: int) -> Array:
    """One background (pixels, pixels) float32 per generator, in [0, 1], unrelated to everything else in the image."""
    shape = (pixels, pixels // 2 + 1)
    fy, fx = np.fft.fftfreq(pixels)[:, None], np.fft.rfftfreq(pixels)[None, :]
    frequency = np.hypot(fx, fy)
    frequency[0, 0] = np.inf
    noise = np.empty((len(generators), *shape), np.complex64)
    for i, rng in enumerate(generators):
        noise[i].real, noise[i].imag = rng.standard_normal((2, *shape), np.float32)
    images = np.fft.irfft2(noise / frequency, (pixels, pixels))
    images /= images.std(axis=(1, 2), keepdims=True)
    return np.clip(MEAN + CONTRAST * images, 0.0, 1.0).astype(np.float32)
