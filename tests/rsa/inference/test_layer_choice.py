"""The crossvalidated choice of a layer against a plain loop, and why it is there."""

import numpy as np
import pytest
from tgsage.rsa import RDM, RSAError, compare, compute_rdm, crossvalidated_choice

LABELS = [f"im{i:02d}" for i in range(24)]


def sample(n: int, layers: int, seed: int) -> tuple[dict[str, RDM], dict[str, RDM]]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 10))
    made = {f"l{i}": compute_rdm(x + 1.5 * rng.normal(size=x.shape)) for i in range(layers)}
    return made, {"t": compute_rdm(x + rng.normal(size=x.shape))}


@pytest.mark.parametrize("method", ["pearson", "spearman", "tau-a", "pearson-whitened"])
def test_every_split_chooses_on_one_half_and_scores_on_the_other(method: str) -> None:
    layers, targets = sample(24, 3, 0)
    targets["u"] = layers["l1"]
    found = crossvalidated_choice(layers, targets, method=method, n=4, seed=3)
    rng = np.random.default_rng(3)
    labels = np.sort(layers["l0"].labels)  # units are in the order of their names
    for split in range(4):
        first = labels[rng.permutation(24) < 12]
        second = [label for label in labels if label not in set(first)]
        for halves, place in (((first, second), split), ((second, first), split + 4)):
            for target, rdm in targets.items():
                one, other = (
                    {k: compare(v.subset(half), rdm.subset(half), method=method) for k, v in layers.items()}
                    for half in halves
                )
                best = max(one, key=lambda layer: one[layer])
                cell = found.sel(target=target).isel(split=place)
                assert cell["layer"].item() == best
                assert float(cell) == pytest.approx(other[best], abs=1e-10)


def test_groups_stay_together() -> None:
    layers, targets = sample(24, 2, 1)
    groups = [f"o{i // 4}" for i in range(24)]
    found = crossvalidated_choice(layers, targets, groups=groups, n=2)
    order = np.random.default_rng(0).permutation(6) < 3
    half = [label for label in layers["l0"].labels if order[int(label) // 4]]
    rest = [label for label in layers["l0"].labels if label not in half]
    here = {k: compare(v.subset(half), targets["t"].subset(half)) for k, v in layers.items()}
    best = max(here, key=lambda layer: here[layer])
    assert float(found[0, 0]) == pytest.approx(compare(layers[best].subset(rest), targets["t"].subset(rest)))


def test_the_choice_among_equals_is_not_rewarded() -> None:
    """Over 60 samples of 8 equally good layers: the maximum is too high, the crossvalidated one is not."""
    single, most, fair = [], [], []
    for seed in range(60):
        layers, targets = sample(30, 8, seed)
        similarities = [compare(rdm, targets["t"]) for rdm in layers.values()]
        single.append(np.mean(similarities))
        most.append(max(similarities))
        fair.append(float(crossvalidated_choice(layers, targets, n=5).mean()))
    truth, error = np.mean(single), np.std(fair) / np.sqrt(60)
    assert np.mean(most) > truth + 5 * error
    assert abs(np.mean(fair) - truth) < 3 * error


def test_the_choice_among_nearly_equals_falls_below_the_best() -> None:
    """Of 8 layers whose noise grows from 1 to 2, over 60 samples of 30 stimuli."""
    short = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(30, 10))
        layers = {f"l{i}": compute_rdm(x + k * rng.normal(size=x.shape)) for i, k in enumerate(np.linspace(1, 2, 8))}
        target = compute_rdm(x + rng.normal(size=x.shape))
        found = crossvalidated_choice(layers, {"t": target}, n=5)
        short.append(compare(layers["l0"], target) - float(found.mean()))
    assert 0.02 < np.mean(short) < 0.08


def test_bad_arguments_are_named() -> None:
    layers, targets = sample(24, 2, 0)
    with pytest.raises(RSAError, match="n must be a whole number from 1"):
        crossvalidated_choice(layers, targets, n=0)
    with pytest.raises(RSAError, match="too few to resample"):
        crossvalidated_choice(layers, targets, groups=["a", "b"] * 12)
    few = RDM(np.eye(24)[np.triu_indices(24, 1)] + (np.arange(276) == 0), layers["l0"].labels)
    with pytest.raises(RSAError, match="constant on them"):
        crossvalidated_choice({"few": few}, targets)
