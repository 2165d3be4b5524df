"""One model in several threads: every thread gets its own features, and the model comes back as it was."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from tgsage.rsa import Guidance, RSAError, Teacher, extract, layer_rdms, record
from tgsage.rsa.networks.batchnorm import evaluation_mode, normalising
from torch import Tensor, nn


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(), nn.Conv2d(8, 8, 3)).train()


def test_threads_that_share_a_model_get_their_own_features() -> None:
    model = network()
    shown = [torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(i)) for i in range(6)]
    teacher = Teacher.from_rdms("own", layer_rdms(model, shown[0], "4"))
    guide = Guidance(teacher, shown[0], layers=["4"], batchnorm="running")

    def features(images: Tensor) -> dict[str, np.ndarray]:
        return extract(model, images, ["1", "4"], batch_size=5)

    expected = [features(images) for images in shown]
    with ThreadPoolExecutor(4) as pool:
        guided = [pool.submit(guide, model) for _ in range(4)]
        for _ in range(5):
            for found, right in zip(pool.map(features, shown), expected, strict=True):
                assert list(found) == list(right)
                for name, values in right.items():
                    np.testing.assert_allclose(found[name], values, atol=1e-5)
        assert [future.result().tg for future in guided] == pytest.approx([1.0] * 4)
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_mode_stays_until_the_last_thread_has_left() -> None:
    model, entered, leave = network(), threading.Event(), threading.Event()

    def other() -> None:
        with evaluation_mode(model[0:2]):  # shares two modules with the whole
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with evaluation_mode(model):
        thread.start()
        assert entered.wait(10)
        with evaluation_mode(model):
            pass
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model] == [False, False, True, True, True]
    leave.set()
    thread.join(10)
    assert all(module.training for module in model.modules())


def test_recorded_passes_are_those_of_the_thread_that_records() -> None:
    model, images = network().eval(), torch.rand(3, 3, 16, 16)
    with record(model, "0") as activations, torch.no_grad(), ThreadPoolExecutor(1) as pool:
        model(images)
        pool.submit(model, images + 1).result()
        np.testing.assert_array_equal(activations["0"].numpy(), model[0](images).numpy())


def test_a_model_that_is_changed_is_refused_to_other_threads() -> None:
    model, images = network(), torch.rand(4, 3, 16, 16)
    with ThreadPoolExecutor(1) as pool:
        with normalising(model, "batch"):
            with pytest.raises(RSAError, match="in use by another thread"):
                pool.submit(extract, model, images).result()
            assert list(extract(model, images, "1")) == ["1"]  # in the thread that changed it
        with evaluation_mode(model), pytest.raises(RSAError, match="in use by another thread"):
            pool.submit(normalising(model, "recalibrated", lambda: None).__enter__).result()
        assert len(pool.submit(extract, model, images).result()) == 5
    assert model[1].running_mean is not None
    assert model.training


class Draws(nn.Module):
    """Random in evaluation mode, too, and failing where it is told to."""

    fails = False

    def forward(self, x: Tensor) -> Tensor:
        x = x + torch.rand(1)
        if self.fails:
            raise ValueError("no such weather")
        return x


@pytest.mark.parametrize("fails", [False, True])
def test_random_numbers_go_on_as_if_nothing_had_been_shown(fails: bool) -> None:
    draws = Draws()
    draws.fails = fails
    model = nn.Sequential(nn.Conv2d(3, 4, 3), draws).train()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    for call in (extract, layer_rdms):
        if fails:
            with pytest.raises(RSAError, match="no such weather"):
                call(model, torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)), "0")
        else:
            call(model, torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)), "0")
    assert torch.rand(1) == expected
    assert model.training
    assert model[1].training
    assert not model[0]._forward_hooks


class Frozen(nn.Module):
    def train(self, mode: bool = True) -> "Frozen":
        raise NotImplementedError("its mode cannot be changed")


def test_a_model_whose_mode_cannot_be_changed_is_given_back() -> None:
    model = nn.Sequential(Frozen())
    for _ in range(2):
        with ThreadPoolExecutor(1) as pool, pytest.raises(NotImplementedError):
            pool.submit(evaluation_mode(model, alone=True).__enter__).result()
