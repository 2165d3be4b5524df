"""The operations of cells: sizes, parameters and what they see."""

import pytest
import torch
from tgsage.plugins.networks.operations import OPERATIONS, AveragePool3x3, Conv, FactorisedReduction, drop_path
from torch.nn import functional


def test_a_factorised_reduction_sees_even_and_odd_pixels() -> None:
    torch.manual_seed(0)
    module = FactorisedReduction(3, 5).eval()
    x = torch.randn(2, 3, 7, 6)
    shifted = functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
    first = torch.einsum("oc,nchw->nohw", module.path1.weight[:, :, 0, 0], x[:, :, ::2, ::2])
    second = torch.einsum("oc,nchw->nohw", module.path2.weight[:, :, 0, 0], shifted[:, :, ::2, ::2])
    torch.testing.assert_close(module(x), module.norm(torch.cat([first, second], dim=1)))


@pytest.mark.parametrize("shape", [(3, 5, 8, 8), (2, 4, 3, 7), (1, 1, 1, 1), (2, 3, 1, 2)])
def test_the_average_is_over_pixels_that_exist(shape: tuple[int, int, int, int]) -> None:
    x, y = (torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_() for _ in range(2))
    found, expected = AveragePool3x3()(x), functional.avg_pool2d(y, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(found, expected)
    (found**2).sum().backward()
    (expected**2).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("identity", 0),
        ("avgpool3x3", 0),
        ("maxpool3x3", 0),
        ("maxpool5x5", 0),
        ("maxpool7x7", 0),
        ("dilated3x3", 9 * 64 + 16),
        ("conv1x7-7x1", 2 * 7 * 64 + 2 * 16),
        ("conv1x3-3x1", 2 * 3 * 64 + 2 * 16),
        ("bottleneck1x7-7x1", 8 * 2 + 4 + 2 * (7 * 4 + 4) + 2 * 8 + 16),
        ("separable3x3", 2 * (9 * 8 + 64 + 16)),
        ("separable5x5", 2 * (25 * 8 + 64 + 16)),
        ("separable7x7", 2 * (49 * 8 + 64 + 16)),
        ("conv1x1", 64 + 16),
        ("conv3x3", 9 * 64 + 16),
    ],
)
def test_operations_keep_size_and_have_these_parameters(name: str, expected: int) -> None:
    module = OPERATIONS[name](8, 8, 1)
    assert sum(p.numel() for p in module.parameters()) == expected
    for stride, size in ((1, (7, 4)), (2, (4, 2)), (2, (1, 1))):
        given = (7, 4) if size != (1, 1) else (1, 1)
        assert OPERATIONS[name](8, 6, stride)(torch.randn(2, 8, *given)).shape == (2, 6, *size)


def test_average_pools_leave_padding_out() -> None:
    pool = OPERATIONS["avgpool3x3"](1, 1, 1)
    torch.testing.assert_close(pool(torch.ones(1, 1, 3, 3)), torch.ones(1, 1, 3, 3))


def test_a_dilated_convolution_sees_every_other_pixel() -> None:
    operation = OPERATIONS["dilated3x3"](1, 1, 1).eval()
    x = torch.zeros(1, 1, 9, 9)
    x[0, 0, 4, 4] = 1
    reached = (operation(x) != 0)[0, 0].nonzero()
    assert {tuple(place.tolist()) for place in reached} == {(i, j) for i in (2, 4, 6) for j in (2, 4, 6)}


def test_drop_path_drops_whole_examples_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropped = drop_path(torch.ones(4000, 2, 3, 3), 0.25)
    per_example = dropped.flatten(1)
    assert bool((per_example == per_example[:, :1]).all())
    assert bool(torch.isclose(dropped, torch.tensor(4 / 3)).logical_or(dropped == 0).all())
    assert float((per_example[:, 0] == 0).float().mean()) == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 4000) ** 0.5)


def test_depthwise_convolutions_keep_their_precision_on_cpus() -> None:
    torch.manual_seed(0)
    depthwise, dense = Conv(4, 4, 3, groups=4), Conv(4, 4, 3)
    x = torch.randn(2, 4, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        found, other = depthwise(x.bfloat16()), dense(x)
    assert (found.dtype, other.dtype) == (torch.float32, torch.bfloat16)
    torch.testing.assert_close(found, functional.conv2d(x.bfloat16().float(), depthwise.weight, padding=1, groups=4))
    assert depthwise.double()(x.double()).dtype == torch.float64
