"""Which images are trained on in which order, and how they are augmented: decided by seed and epoch, nothing else."""

from bisect import bisect_left
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...rsa import RSAError
from .data import Data
from .decoding import FileImages
from .placement import Placement, Team
from .recipes import Recipe

DRAWS = 4  # uniform numbers that one image needs: row, column, flip, scale
_RESIDENT = 2**31  # bytes of images that are kept on a GPU


class Batches:
    """The batches of a training. A step is one batch; steps count from 0 through all epochs.

    An epoch has ceil(n / batch_size) batches, which differ in size by one image at most: none is left out, and none is
    too small for batch normalisation. A text is cut into `batch_size` streams instead, and a batch has the next context
    of each.
    """

    def __init__(self, data: Data, recipe: Recipe, seed: int, where: Placement, team: Team) -> None:
        self.data, self.recipe, self.seed, self.where, self.team = data, recipe, seed, where, team
        self.n = len(data.part("train"))
        self.per_epoch = -(-self.n // recipe.batch_size)
        self._ends = [self.n * (i + 1) // self.per_epoch for i in range(self.per_epoch)]
        self._order: Tensor | None = None
        if (streams := data.streams(recipe.batch_size)) is not None:
            if team.size > 1:
                raise RSAError(f"{data.name} is learned in its own order, by one process: leave out torchrun")
            if recipe.pad or recipe.flip:
                raise RSAError(f"recipe {recipe.name} shifts or mirrors images, and {data.name} has none: choose text")
            self._order, self._ends = streams[0], np.cumsum(streams[1]).tolist()
        source = data.train.source
        if recipe.shorter is not None and (not isinstance(source, FileImages) or recipe.shorter[0] < source.size):
            raise RSAError(
                f"recipe {recipe.name} resizes pictures to {recipe.shorter}, which {data.name} does not allow"
            )
        self._source = source
        if isinstance(source, Tensor) and where.device.type == "cuda" and source.numel() <= _RESIDENT:
            self._source = source.to(where.device)

    def examples_at(self, step: int) -> int:
        """Images seen before this step."""
        epoch, batch = divmod(step, self.per_epoch)
        return epoch * self.n + (self._ends[batch - 1] if batch else 0)

    def step_at(self, examples: float) -> int:
        """The first step before which at least so many images were seen."""
        if examples <= 0:
            return 0
        epoch, rest = divmod(examples - 1e-6, self.n)  # less the error of epochs * n
        return int(epoch) * self.per_epoch + bisect_left(self._ends, rest) + 1

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor, int]]:
        """This process's share of every batch from the first: inputs, labels, and how many images the batch has."""
        words = np.random.SeedSequence((self.seed, epoch)).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(words[0]) >> 1)
        order = torch.randperm(self.n, generator=generator) if self._order is None else self._order
        draws = torch.rand(self.n, DRAWS, generator=generator)
        starts = [0, *self._ends[:-1]]
        slices = [slice(starts[i], self._ends[i]) for i in range(first, self.per_epoch)]
        shares = [self.team.share(torch.arange(part.start, part.stop)) for part in slices]
        for part, share, raw in zip(
            slices, shares, self._pixels([order[s] for s in shares], draws, shares), strict=True
        ):
            images = raw.to(self.where.device, non_blocking=True)
            if self.recipe.pad or self.recipe.flip:
                images = shift_and_flip(images, draws[share], pad=self.recipe.pad, flip=self.recipe.flip)
            labels = self.data.train.labels[order[share]].to(self.where.device)
            yield self.where.inputs(self.data.normalise(images)), labels, part.stop - part.start

    def _pixels(self, chosen: list[Tensor], draws: Tensor, shares: list[Tensor]) -> Iterator[Tensor]:
        places = self.data.train.places
        if isinstance(self._source, Tensor):
            for index in chosen:
                yield self._source[places[index].to(self._source.device)]
            return
        files, shorter = self._source, self.recipe.shorter

        def read(i: int) -> Tensor:
            where = places[chosen[i]]
            return files[where] if shorter is None else files.random_crops(where, draws[shares[i]], shorter)

        with ThreadPoolExecutor(1) as reader:  # the next batch is decoded while the network works on the last
            coming = reader.submit(read, 0)
            for i in range(len(chosen)):
                ready = coming.result()
                if i + 1 < len(chosen):
                    coming = reader.submit(read, i + 1)
                yield ready


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
