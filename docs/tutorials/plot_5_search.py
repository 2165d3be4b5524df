"""
A search with your own objective
================================

Any function from an architecture to a number can be searched: by our searchers, resumable, on one machine or many.
The score P + alpha TG is one such function (`Objective`); this page uses one that needs no training.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from tgsage.plugins import EvolutionSearcher, RandomSearcher, search, size_of
from tgsage.plugins.spaces import get_space

space = get_space("toy")
print(space.describe(space.sample(np.random.default_rng(0))))

# %%
# The objective: networks of about 5,000 parameters that keep their kernels small. An objective that raises or
# returns no number makes a failed candidate, not a failed search.


def objective(architecture: dict) -> float:
    parameters = size_of(space.build(architecture, input_shape=(1, 8, 8)), (1, 8, 8)).parameters
    kernels = [int(choice) for name, choice in architecture.items() if name.endswith("kernel")]
    return -abs(np.log10(parameters / 5_000)) - 0.02 * sum(kernels)


# %%
# Everything is kept in the database: the same call continues an interrupted search, and the same call in another
# process joins in.

folder = Path(tempfile.mkdtemp())
searchers = {"random": RandomSearcher(space, seed=0), "evolution": EvolutionSearcher(space, seed=0)}
found = {
    name: search(space, searcher, objective, samples=60, storage=folder / f"{name}.db")
    for name, searcher in searchers.items()
}
best = found["evolution"]
print(best.best.score, best.counts)
print(space.describe(best.architecture))

# %%
# Every candidate is a row.

best.to_dataframe().nlargest(5, "score").dropna(axis=1)

# %%
# The best score so far:

figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
for name, result in found.items():
    ax.plot(np.maximum.accumulate(result.to_dataframe()["score"].astype(float)), label=name)
ax.set(xlabel="candidates", ylabel="best score")
ax.legend()
figure.show()

# %%
# With training, P and TG, on one machine::
#
#     tgsage search --space toy --data digits --searcher evolution --samples 60 --workers 2
#     tgsage report tgsage.db
#
# On SLURM every task of an array runs the same command with a common database. A function of yours is given to each
# task in a script, `search(..., storage="postgresql://me@dbhost/tgsage")`, in place of the command:
#
# .. code-block:: bash
#
#     #!/bin/bash
#     #SBATCH --array=1-16 --gpus=1 --cpus-per-task=8 --time=12:00:00 --signal=B:TERM@120
#     export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
#     exec tgsage search --space cnn10 --data cifar100 --recipe cifar-cnn --teacher teacher.h5 \
#       --samples 1000 --storage postgresql://me@dbhost/tgsage --devices cuda:0
#
# What happens when tasks are killed, several objectives, and searchers of your own: :doc:`searching </searching>`.
