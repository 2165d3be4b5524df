"""
Which teacher?
==============

A teacher is worth its cost if P + alpha TG, early in training, ranks networks by what they become better than P
alone does. That is an empirical question, and this is how to ask it: a pool of networks whose mature accuracy is
known, and teachers to compare on it. The pool of this page is tiny, so its intervals are wide; :doc:`experiments
</experiments>` has large ones.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from tgsage.benchmarks import Maker, compare_teachers, make_pool
from tgsage.benchmarks.pool.plans import validation_views
from tgsage.plugins.spaces import get_space
from tgsage.plugins.training import get_recipe, load_data, make_network, network_teacher, train

# %%
# Eight random networks for scikit-learn's digits. Each is looked at untrained and after 200 examples, and its
# accuracy after three epochs counts as mature.

folder = Path(tempfile.mkdtemp())
digits, recipe = load_data("digits"), get_recipe("digits")
maker = Maker(
    space=get_space("toy"),
    data=digits,
    recipe=recipe,
    checkpoints=(0, 200),
    views=validation_views(digits),
    folder=folder / "candidates",
    epochs=3,
)
pool = make_pool(maker, storage=folder / "pool.db", samples=8)
pool

# %%
# The teacher is the best of these networks, trained on the same digits, whose layers' RDMs over the validation
# images are the targets (which flatters it: use a network that is not in the pool).

best = max(pool.members, key=lambda member: member.mature)
network = make_network({"space": "toy", "architecture": best.architecture}, shape=digits.shape, n_classes=10)
train(network, digits, recipe, epochs=3)
teacher = network_teacher("trained", network, digits)

# %%
# Gains are in Spearman's correlation with mature accuracy, over the better of P and chance. The pixels and the
# categories themselves are controls: a teacher should do better than these.

found = compare_teachers(pool, [teacher], bootstrap=200)
for alpha in found.gain.alpha.values:
    at = {"checkpoint": 200, "alpha": alpha}
    for name in found.gain.teacher.values:
        low, gain, high = (float(part.sel(at | {"teacher": name})) for part in (found.low, found.gain, found.high))
        print(f"{name:24} alpha {alpha:.0f}: {gain:+.2f} [{low:+.2f}, {high:+.2f}]")

# %%
# P and TG of the eight networks after 200 examples, against what became of them.

members = found.members.sel(checkpoint=200)
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="constrained")
axes[0].scatter(members["p"], members["mature"])
axes[1].scatter(members["tg"].sel(teacher="trained"), members["mature"])
for ax, label in zip(axes, ("P after 200 examples", "TG after 200 examples"), strict=True):
    ax.set_xlabel(label)
axes[0].set_ylabel("mature accuracy")
figure.show()

# %%
# The same from the command line, with a page of tables and pictures::
#
#     tgsage bench pool pool --data digits --recipe digits --cells 24 --checkpoints 0,150,300,600
#     tgsage teacher compare pool/pool.h5 --teacher mine.h5 --page teachers.md
#
# How to plan such a pool, over training seeds too: :doc:`which teacher? </teachers>`.
