"""
Several models, and a figure for a paper
========================================

Which of several models is more like inferior temporal cortex? The targets are the RDMs of macaque and human IT of
Kriegeskorte et al. (2008) where `TGSAGE_DATA` has them, and simulated sites elsewhere.
"""

import os
import tempfile
import textwrap
from pathlib import Path

import tgsage

teacher = "kriegeskorte2008" if "TGSAGE_DATA" in os.environ else "simulated"

# %%
# A model is a name, a network, or features computed elsewhere. The highest of many layers' similarities is too
# high, so the layer of each model is chosen on one half of the images and scored on the other.

found = tgsage.compare_models(
    ["pixels", "efficientnet_lite0", "efficientnet_lite0@untrained"],
    teacher,
    beyond="pixels",
    bootstrap=200,
    halvings=20,
)
found

# %%
# Models that share a letter cannot be told from each other. Tests are paired, over the same resamples of the
# images, and corrected for their number.

for line in found.words():
    print(textwrap.fill(line, 88))

# %%
# The figure: similarity with its interval, the noise ceiling, and which model is better than which.

figure = found.plot()

# %%
# Tables for a paper, and the figure as a vector graphic.

folder = Path(tempfile.mkdtemp())
figure.savefig(folder / "models.pdf")
found.to_dataframe().to_csv(folder / "models.csv")
print(found.to_latex())

# %%
# What each model explains beyond the pixels:

found.to_dataframe("beyond").round(3)

# %%
# From the command line::
#
#     tgsage compare pixels efficientnet_lite0 efficientnet_lite0@untrained \
#         --teacher kriegeskorte2008 --beyond pixels --plot models.pdf --csv models.csv --report models.html
#
# Inference over subjects instead of images, corrections and what they mean: :doc:`comparing models </compare>`.
