"""The renderer against closed forms: where a shape lies, what hides what, how bright a face is; and the backgrounds."""

import numba
import numpy as np
import pytest
from tgsage.neural_data.simulation.images import CONTRAST, MEAN, pink_backgrounds
from tgsage.neural_data.simulation.render.meshes import (
    Mesh,
    ball,
    box,
    fine,
    join,
    lathe,
    loft,
    move,
    rotation,
    slab,
    tube,
    turn,
)
from tgsage.neural_data.simulation.render.renderer import RADIUS, render
from tgsage.neural_data.simulation.render.scene import Scene, pack
from tgsage.rsa import RSAError
from tgsage.rsa.types import Array

PIXELS = 64


def shown(scene: Scene, **pose: float) -> Array:
    """The first mesh on black, as fractions of white."""
    image = render(scene, np.zeros(1, int), np.zeros((1, PIXELS, PIXELS), np.float32), **pose)[0]
    return np.asarray(image / 255)


def sphere() -> Scene:
    return pack({"sphere": ball((0, 0, 0), 1.0, 1.0, n=64)})


@pytest.mark.parametrize("size", [0.625, 1.0, 1.6])
def test_a_sphere_covers_the_disc_that_perspective_gives_it(size: float) -> None:
    black = pack({"sphere": ball((0, 0, 0), 1.0, 0.0, n=64)})
    image = render(black, np.zeros(1, int), np.ones((1, PIXELS, PIXELS), np.float32), size=size)
    radius = size * RADIUS * 5 / np.sqrt(5**2 - 1) * PIXELS / 2  # the tangent cone of the unit sphere from distance 5
    assert (1 - image / 255).sum() == pytest.approx(np.pi * radius**2, rel=0.02)


def test_ty_moves_right_and_tz_up_in_halves_of_the_width() -> None:
    rows, columns = np.nonzero(shown(sphere(), ty=0.25, tz=0.5))
    assert columns.mean() - (PIXELS - 1) / 2 == pytest.approx(0.25 * PIXELS / 2, abs=0.5)
    assert (PIXELS - 1) / 2 - rows.mean() == pytest.approx(0.5 * PIXELS / 2, abs=0.5)


def test_the_nearer_of_two_bodies_hides_the_farther_whatever_their_order() -> None:
    dark, bright = ball((0.5, 0, 0), 0.5, 0.0), ball((-0.5, 0, 0), 0.5, 1.0)
    for parts in ((dark, bright), (bright, dark)):
        image = shown(pack({"pair": join(*parts)}))
        assert image[PIXELS // 2, PIXELS // 2] == 0
        turned = shown(pack({"pair": join(*parts)}), rxy=180)
        assert turned[PIXELS // 2, PIXELS // 2] > 0.3


def test_a_flat_face_is_as_bright_as_lamp_and_sky_make_it_from_either_side() -> None:
    plate = Mesh(
        np.array([(0, -1, -1), (0, 1, -1), (0, 1, 1), (0, -1, 1)]), np.array([(0, 1, 2), (0, 2, 3)]), np.ones(4)
    )
    lamp = np.array([0.55, -0.45, 0.70]) / np.linalg.norm([0.55, -0.45, 0.70])
    for mesh in (plate, plate._replace(faces=plate.faces[:, ::-1])):
        assert shown(pack({"plate": mesh}))[PIXELS // 2, PIXELS // 2] == pytest.approx(0.38 + 0.70 * lamp[0], abs=0.01)


def test_turns_are_about_the_axes_that_the_names_say() -> None:
    arrow = pack({"arrow": join(ball((0, 0, 0), 0.3, 0.2), ball((0, 1.0, 0), 0.2, 1.0))})  # points right

    def tip(**pose: float) -> tuple[float, float]:
        rows, columns = np.nonzero(shown(arrow, **pose) > 0.4)
        return float(columns.mean()), float(rows.mean())

    assert tip()[0] > 40
    assert tip(ryz=90)[1] < 24  # counterclockwise in the image: right becomes up
    assert tip(rxy=180)[0] < 24
    assert tip(rxz=180)[0] > 40  # tilting turns about the horizontal axis itself


def test_rotations_are_orthogonal_and_right_handed() -> None:
    for axis, first, second in (("x", 1, 2), ("y", 2, 0), ("z", 0, 1)):
        matrix = rotation(axis, [90.0, 30.0])
        np.testing.assert_allclose(matrix[1] @ matrix[1].T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(matrix[0] @ np.eye(3)[first], np.eye(3)[second], atol=1e-12)


@pytest.mark.parametrize(
    "mesh",
    [
        ball((0, 0, 0), 1, 1),
        lathe([(1, -1), (0.5, 1)], 1),
        tube([(0, 0, 0), (0, 0, 1), (0, 1, 2)], [0.2, 0.3, 0.1], 1),
        loft([(-1, 0, 1, 0.5), (1, 0, 0.5, 0.5)], 1),
        loft([(-1, 0, 1, 0.5), (1, 0, 0.5, 0.5)], 1, deck=True),
        slab([(0, 0, 0), (1, 0, 0), (0, 1, 0)], 0.1, 1),
        box((0, 0, 0), (1, 2, 3), 1, top=0.5),
        fine(turn(move(box((0, 0, 0), (1, 1, 1), 1), by=(1, 2, 3)), "y", 40)),
    ],
)
def test_every_primitive_is_a_closed_surface(mesh: Mesh) -> None:
    corners = np.round(mesh.vertices, 6)
    _, weld = np.unique(corners, axis=0, return_inverse=True)
    faces = weld.reshape(-1)[mesh.faces]
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
    edges = np.sort(np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    _, count = np.unique(edges, axis=0, return_counts=True)
    assert (count % 2 == 0).all()


def test_the_background_shows_where_there_is_no_object() -> None:
    back = pink_backgrounds([np.random.default_rng(1)], PIXELS)
    image = render(sphere(), np.zeros(1, int), back)[0]
    corner = np.s_[:10, :10]
    np.testing.assert_array_equal(image[corner], np.floor(255 * back[0][corner].astype(np.float64) + 0.5))


def test_bytes_do_not_depend_on_the_number_of_threads() -> None:
    scene = sphere()
    rng = np.random.default_rng(0)
    poses = {"size": rng.uniform(0.6, 1.6, 20), "ty": rng.uniform(-1, 1, 20), "rxy": rng.uniform(-90, 90, 20)}
    back = pink_backgrounds([np.random.default_rng(i) for i in range(20)], 32)
    threads = numba.get_num_threads()
    try:
        many = render(scene, np.zeros(20, int), back, **poses)
        numba.set_num_threads(1)
        np.testing.assert_array_equal(render(scene, np.zeros(20, int), back, **poses), many)
    finally:
        numba.set_num_threads(threads)


def test_wrong_backgrounds_and_meshes_are_named() -> None:
    with pytest.raises(RSAError, match=r"2 objects need backgrounds of shape \(2, pixels, pixels\), got \(1, 8, 8\)"):
        render(sphere(), np.zeros(2, int), np.zeros((1, 8, 8), np.float32))
    with pytest.raises(RSAError, match="the scene has meshes 0 to 0, asked were 3 to 3"):
        render(sphere(), np.full(1, 3), np.zeros((1, 8, 8), np.float32))


def test_background_amplitude_falls_as_one_over_frequency_and_backgrounds_are_unrelated() -> None:
    back = pink_backgrounds([np.random.default_rng(i) for i in range(200)], PIXELS)
    assert back.dtype == np.float32
    assert back.mean() == pytest.approx(MEAN, abs=0.01)
    assert back.std(axis=(1, 2)).mean() == pytest.approx(CONTRAST, rel=0.02)
    spectrum = np.abs(np.fft.fft2(back - back.mean(axis=(1, 2), keepdims=True))).mean(axis=0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(PIXELS), np.fft.fftfreq(PIXELS)))
    inside = (frequency > 0) & (frequency < 0.5)
    slope = np.polyfit(np.log(frequency[inside]), np.log(spectrum[inside]), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.05)
    between = np.corrcoef(back.reshape(200, -1))[np.triu_indices(200, 1)]
    assert abs(between.mean()) < 0.01
