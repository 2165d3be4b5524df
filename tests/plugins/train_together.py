"""One of the processes that torchrun starts: trains a linear network on the digits, with its share of each batch."""

import os
import sys

import torch
from tgsage.plugins.training import build_seeded, get_recipe, load_data, train
from torch import nn

if __name__ == "__main__":
    torch.set_num_threads(1)
    model = build_seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), 0)
    recipe = get_recipe("one-cycle", batch_size=64)
    train(model, load_data("digits"), recipe, epochs=1, device="cpu", channels_last=False, checkpoint=sys.argv[1])
    os._exit(0)  # torch's own threads now and then abort a process that ends as usual
