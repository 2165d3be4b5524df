"""
A recording of your own
=======================

From a table of trials and a folder of pictures to a ceiling and a score, with a network of your own. The recording
is made up here, so that the answer is known: its neuroids see coarse versions of the pictures.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas
import tgsage
import torch
from PIL import Image
from sklearn.datasets import load_digits
from tgsage.neural_data import Layout, describe, images, load, region_rdms

folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)

# %%
# What a laboratory has: pictures, and a table with a row for every trial, here with 30 neuroids and 6 repeats of 48
# pictures.

pictures = load_digits().images[:48]
(folder / "pictures").mkdir()
for i, picture in enumerate(pictures):
    pixels = Image.fromarray((picture * 15).astype(np.uint8)).resize((32, 32))
    pixels.save(folder / "pictures" / f"digit{i:02}.png")

coarse = pictures.reshape(48, 4, 2, 4, 2).mean((2, 4)).reshape(48, 16)
rates = coarse @ rng.normal(size=(16, 30)) + 20
rows = []
for i in range(48):
    for _ in range(6):
        rows.append({"stimulus_id": f"digit{i:02}"} | {f"n{j}": rates[i, j] + rng.normal(scale=8) for j in range(30)})
pandas.DataFrame(rows).to_csv(folder / "trials.csv", index=False)

# %%
# `load` says what it took for what. What is unclear is refused, with the option that says it.

recording = load(folder / "trials.csv", region="V4")
recording.attrs["read_as"]

# %%
# How reliable is it? The ceiling is what a perfect model reaches.

found = describe(folder / "trials.csv", layout=Layout(region="V4"), splits=20)
pandas.DataFrame(found.targets)

# %%
# Its RDM can be looked at by itself.

axes = region_rdms(recording)["V4"].plot()

# %%
# Any module is a model; `preprocess` turns a picture into what it takes.


def preprocess(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(picture.convert("L"), np.float32) / 255)[None]


torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.AvgPool2d(8), torch.nn.Conv2d(1, 16, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(64, 32)
)
score = tgsage.score(
    model.eval(),
    recording,
    images(folder / "pictures"),
    layers=["0", "2", "4"],
    preprocess=preprocess,
    bootstrap=200,
    splits=20,
)
score

# %%
# The coarse pixels (layer 0) come near the ceiling, as they should.

figure = score.plot()

# %%
# From the command line, with the network in a file of yours::
#
#     tgsage data describe trials.csv --region V4
#     tgsage score mine.py:model --teacher trials.csv --region V4 --stimuli pictures --plot mine.png
#
# NWB, MATLAB, Brain-Score's packages and others are read the same way: :doc:`recordings </recordings>`.
