"""
A model against V4
==================

How similar are the layers of a network to a recording of macaque V4? The recording is a session of Cowley et al.
(2023) where `TGSAGE_DATA` has it; elsewhere it is a simulation whose sites are readouts of another network, not a
brain.
"""

import os

import numpy as np
import pandas
import tgsage
from tgsage.neural_data import describe, images, load

name = "cowley2023/210325" if "TGSAGE_DATA" in os.environ else "simulated"
print(name)

# %%
# A recording is an `xarray.DataArray` of trials and neuroids. To be quick, this page takes a quarter of its images;
# with all of them `tgsage.score("efficientnet_lite0", name)` does everything that follows.

recording = load(name)
chosen = np.unique(recording["stimulus_id"])[::4]
recording = recording[np.isin(recording["stimulus_id"], chosen)]
recording

# %%
# A score without a ceiling says little: how well can any model do, given the noise? `describe` (`tgsage data
# describe`) tells the reliability of every region.

pandas.DataFrame(describe(name, splits=10).targets)

# %%
# The model sees the images of the recording. Its layers' RDMs are compared with those of the regions, and the
# intervals are about new images.

score = tgsage.score(
    "efficientnet_lite0",
    recording,
    images(name),
    layers=["_blocks.3", "_blocks.10", "_blocks.14"],
    scale="zscore",
    bootstrap=200,
    splits=20,
)
score

# %%
# TG is the mean over regions of the most similar layer.

print(f"TG = {score.tg:.3f} [{score.tg_low:.3f}, {score.tg_high:.3f}]; best layers: {score.best_layer}")

# %%
# Each point is a layer, the shade its interval, the dashed line the noise ceiling; beside it the RDMs.

figure = score.plot()

# %%
# The same from the command line, with all images and layers, and a page to send around::
#
#     tgsage score efficientnet_lite0 --teacher cowley2023/210325 --scale zscore \
#         --plot v4.png --report v4.html
#
# What the intervals, ceilings and tests mean is told in :doc:`statistics </statistics>`; other recordings, and your
# own, in :doc:`recordings </recordings>`.
