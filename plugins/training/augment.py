"""What happens to a batch of training images before a network sees it, for the whole batch at once."""

import torch
from torch import Tensor
from torch.nn import functional

DRAWS = 4  # uniform numbers that one image needs: row, column, flip, scale


def shift_and_flip(images: Tensor, draws: Tensor, *, pad: int, flip: bool) -> Tensor:
    """A random crop of every image (n, C, H, W) padded with `pad` zeros all around, mirrored in half of the cases.

    draws: uniform in [0, 1), (n, DRAWS). The result lies in memory channels last.
    """
    n, _, height, width = images.shape
    device = images.device
    offsets = (draws[:, :2].to(device) * (2 * pad + 1)).long()
    rows = torch.arange(height, device=device) + offsets[:, :1]
    columns = torch.arange(width, device=device) + offsets[:, 1:]
    if flip:
        columns = torch.where(draws[:, 2:3].to(device) < 0.5, columns.flip(1), columns)
    padded = functional.pad(images, (pad, pad, pad, pad))
    picked = padded[torch.arange(n, device=device)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)


def standardise(images: Tensor) -> Tensor:
    """Every image (n, C, H, W) to mean 0 and standard deviation 1 over all its pixels, float32.

    The deviation is taken as at least 1 / sqrt(pixels), of pixels in 0..255, so that a blank image becomes zeros.
    """
    pixels = images.float()
    variance, mean = torch.var_mean(pixels, dim=(1, 2, 3), keepdim=True, correction=0)
    return (pixels - mean) / variance.sqrt().clamp(min=images[0].numel() ** -0.5)
