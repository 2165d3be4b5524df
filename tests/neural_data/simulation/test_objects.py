"""The 64 objects, and the images made of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tgsage.neural_data.simulation.images import RANGES, hvm_images
from tgsage.neural_data.simulation.render.renderer import render
from tgsage.neural_data.simulation.render.scene import objects
from tgsage.rsa import RSAError
from tgsage.rsa.types import Array
from torch import nn

CATEGORIES = ["animals", "boats", "cars", "chairs", "faces", "fruits", "planes", "tables"]


def test_there_are_eight_objects_in_each_of_eight_categories() -> None:
    scene, categories = objects()
    assert len(set(scene.names)) == 64
    assert sorted(set(categories)) == CATEGORIES
    assert all(categories.count(category) == 8 for category in CATEGORIES)


def test_every_object_is_finite_seen_whole_and_unlike_the_others() -> None:
    scene, _ = objects()
    assert np.isfinite(scene.vertices).all()
    assert np.isfinite(scene.normals).all()
    images = render(scene, np.arange(64), np.zeros((64, 64, 64), np.float32)).astype(float)
    covered = (images > 0).mean(axis=(1, 2))
    assert ((covered > 0.03) & (covered < 0.5)).all()
    edge = np.concatenate([images[:, [0, -1]].ravel(), images[:, :, [0, -1]].ravel()])
    assert not edge.any()
    between = np.corrcoef(images.reshape(64, -1))[np.triu_indices(64, 1)]
    assert between.max() < 0.99


def test_numbers_ids_and_ranges_of_the_set(tmp_path: Path) -> None:
    stimuli = hvm_images(3, per_object=(1, 4, 4), pixels=16, data_dir=tmp_path)
    table = stimuli.table
    assert next(iter(table)) == "stimulus_id"
    assert len(stimuli) == len(set(table["stimulus_id"].tolist())) == 64 * 9
    for variation, count in ((0, 64), (3, 256), (6, 256)):
        chosen = table["variation"] == variation
        factor, place, degrees = RANGES[variation]
        assert chosen.sum() == count
        for column, limit in (("ty", place), ("tz", place), ("rxy", degrees), ("rxz", degrees), ("ryz", degrees)):
            values = table[column][chosen]
            assert np.abs(values).max() <= limit
            assert np.ptp(values) >= 1.9 * limit
        assert np.ptp(np.log(table["size"][chosen])) == pytest.approx(2 * np.log(factor), rel=0.05, abs=1e-12)
    assert stimuli[0].mode == "L"
    assert stimuli[0].size == (16, 16)


def test_equal_seeds_give_equal_bytes_and_a_smaller_set_is_part_of_a_larger(tmp_path: Path) -> None:
    def pixels(seed: int, per_object: tuple[int, int, int], folder: str) -> tuple[list[str], Array]:
        stimuli = hvm_images(seed, per_object=per_object, pixels=16, data_dir=tmp_path / folder)
        return stimuli.table["stimulus_id"].tolist(), np.array([np.asarray(stimuli[i]) for i in range(len(stimuli))])

    ids, values = pixels(0, (1, 1, 2), "a")
    again, same = pixels(0, (1, 1, 2), "b")
    assert ids == again
    np.testing.assert_array_equal(values, same)
    few, part = pixels(0, (0, 1, 1), "a")
    np.testing.assert_array_equal(part, values[[ids.index(name) for name in few]])
    assert (pixels(1, (1, 1, 2), "a")[1] != values).any()


def test_impossible_sets_are_refused(tmp_path: Path) -> None:
    for counts in ((1, 2), (0, 0, 0), (-1, 2, 2)):
        with pytest.raises(RSAError, match="per_object gives the images of variations 0, 3 and 6"):
            hvm_images(per_object=counts, data_dir=tmp_path)
    with pytest.raises(RSAError, match="seed must be at least 0 and pixels 8 to 512, got -1 and 64"):
        hvm_images(-1, data_dir=tmp_path)


@pytest.mark.slow
def test_a_small_network_learns_the_categories_from_variation_3(tmp_path: Path) -> None:
    """Chance is 0.125; held out are one object of each category, and the last fifth of the others' images."""
    stimuli = hvm_images(per_object=(0, 40, 0), pixels=32, data_dir=tmp_path)
    x = torch.tensor(
        np.array([np.asarray(stimuli[i]) for i in range(len(stimuli))])[:, None] / 64.0 - 2.0, dtype=torch.float32
    )
    y = torch.tensor([CATEGORIES.index(name) for name in stimuli.table["category_name"]])
    place = torch.arange(len(y))
    new_object, new_image = place // 40 % 8 == 3, place % 40 >= 32
    train = torch.nonzero(~new_object & ~new_image).ravel()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for before, after in ((1, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
        net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, 8))
        optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
        for epoch in range(9):
            optimiser.param_groups[0]["lr"] = 3e-3 if epoch < 7 else 5e-4
            for batch in torch.split(train[torch.randperm(len(train))], 64):
                images = x[batch].flip(3) if epoch % 2 else x[batch]
                loss = nn.functional.cross_entropy(net(images), y[batch])
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
    net.eval()
    with torch.no_grad():
        right = net(x).argmax(1) == y
    assert right[new_image & ~new_object].double().mean() > 0.4
    assert right[new_object].double().mean() > 0.25
