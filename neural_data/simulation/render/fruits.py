"""Eight fruits, a slice of watermelon among them."""

import numpy as np

from .meshes import Mesh, Point, ball, fine, join, lathe, paint, slab, tube


def _stalk(at: Point, lean: float = 0.15, tall: float = 0.35, grey: float = 0.15) -> Mesh:
    x, y, z = at
    return tube([at, (x, y + 0.3 * lean, z + 0.5 * tall), (x, y + lean, z + tall)], [0.05, 0.04, 0.05], grey)


def _leaf(at: Point, towards: Point, wide: float, grey: float) -> Mesh:
    a, b = np.asarray(at, np.float64), np.asarray(towards, np.float64)
    side = np.cross(b - a, (1.0, 0.0, 0.3))
    side *= wide / np.linalg.norm(side)
    middle = (a + b) / 2
    return slab([a, middle + side, b, middle - side], 0.02, grey)


def _apple() -> Mesh:
    profile = [
        (0.0, 0.62), (0.12, 0.68), (0.3, 0.82), (0.55, 0.84), (0.82, 0.62), (0.93, 0.25), (0.88, -0.2), (0.7, -0.6),
        (0.48, -0.8), (0.28, -0.82), (0.12, -0.74), (0.0, -0.7),
    ]  # fmt: skip
    return join(
        lathe(profile, 0.55, n=28),
        _stalk((0, 0, 0.62), 0.12, 0.5),
        _leaf((0, 0.05, 0.95), (0.15, 0.6, 1.2), 0.16, 0.35),
    )


def _banana() -> Mesh:
    angle = np.linspace(-1.1, 1.1, 13)
    path = [(0.0, 1.2 * np.sin(a), -1.2 * np.cos(a)) for a in angle]
    radii = [0.06, 0.1, 0.2, 0.25, 0.27, 0.28, 0.28, 0.28, 0.27, 0.25, 0.19, 0.09, 0.07]
    fruit = tube(path, radii, 0.92, n=6)
    return join(fruit, tube([path[-1], (0, 1.22, -0.42)], [0.07, 0.08], 0.3), ball(path[0], 0.08, 0.15))


def _grapes() -> Mesh:
    rng = np.random.default_rng(3)
    parts = [
        _stalk((0, 0, 0.75), 0.1, 0.4),
        tube([(0, -0.25, 1.1), (0, 0.3, 1.15)], 0.05, 0.2),
        _leaf((0, 0.05, 0.95), (0.2, 0.75, 0.9), 0.3, 0.55),
    ]
    for level, count in enumerate((7, 8, 7, 5, 4, 3, 1)):
        radius = 0.11 * (count - 1) * 0.85
        for k in range(count):
            a = 2 * np.pi * (k / count + 0.37 * level)
            place = np.array((radius * np.cos(a), radius * np.sin(a), 0.62 - 0.29 * level))
            parts.append(ball(place + rng.normal(0, 0.025, 3), 0.23, 0.32, n=12))
        if count > 4:
            parts.append(ball((0, 0, 0.62 - 0.29 * level), 0.35, 0.2, n=10))
    return join(*parts)


def _pineapple() -> Mesh:
    profile = [
        (0.0, -1.0), (0.35, -0.97), (0.55, -0.75), (0.62, -0.35), (0.6, 0.05), (0.48, 0.4), (0.25, 0.58), (0.0, 0.6),
    ]  # fmt: skip
    body = paint(
        fine(fine(lathe(profile, 0.6, n=48))),
        lambda x, y, z: np.where(
            np.abs(np.sin(4 * np.arctan2(y, x) + 7 * z) * np.sin(4 * np.arctan2(y, x) - 7 * z)) < 0.22, 0.18, 0.85
        ),
    )
    leaves = []
    for level, (count, out, up) in enumerate(((7, 0.62, 1.05), (6, 0.45, 1.35), (4, 0.2, 1.6))):
        for k in range(count):
            a = 2 * np.pi * (k / count + 0.21 * level)
            c, s = np.cos(a), np.sin(a)
            foot = [(0.08 * c - 0.1 * s, 0.08 * s + 0.1 * c, 0.5), (0.08 * c + 0.1 * s, 0.08 * s - 0.1 * c, 0.5)]
            leaves.append(slab([*foot, (out * c, out * s, up)], 0.03, 0.35))
    return join(body, *leaves)


def _strawberry() -> Mesh:
    profile = [
        (0.0, -0.95), (0.12, -0.92), (0.35, -0.62), (0.62, -0.1), (0.74, 0.3), (0.62, 0.6), (0.3, 0.72), (0.0, 0.7),
    ]  # fmt: skip
    seeds = []
    for level, (z, r) in enumerate(((-0.62, 0.36), (-0.32, 0.52), (-0.02, 0.66), (0.28, 0.74), (0.52, 0.67))):
        for k in range(9):
            a = 2 * np.pi * (k + 0.5 * level) / 9
            seeds.append(ball((r * np.cos(a), r * np.sin(a), z), 0.04, 1.0, n=6))
    crown = [
        _leaf((0, 0, 0.72), (0.72 * np.cos(a), 0.72 * np.sin(a), 0.66), 0.17, 0.75)
        for a in np.linspace(0, 2 * np.pi, 7)[:-1]
    ]
    return join(lathe(profile, 0.4, n=24), *seeds, *crown, _stalk((0, 0, 0.7), 0.1, 0.3, 0.7))


def _watermelon() -> Mesh:
    """A slice: half a disc of pulp with a pale and a dark rind, and seeds on both faces."""
    angle = np.linspace(np.pi, 2 * np.pi, 17)

    def rim(r: float) -> list[Point]:
        return [(0.0, r * np.cos(a), r * np.sin(a)) for a in angle]

    seeds = []
    for r, count in ((0.5, 5), (0.75, 7)):
        for a in np.linspace(np.pi * 1.12, np.pi * 1.88, count):
            seeds += [ball((x, r * np.cos(a), r * np.sin(a)), (0.03, 0.035, 0.055), 0.02, n=6) for x in (-0.2, 0.2)]
    pulp = [slab([(0, 0, 0), rim(0.94)[i], rim(0.94)[i + 1]], 0.38, 0.5) for i in range(16)]
    return join(*pulp, tube(rim(0.99), 0.19, 0.95, n=8), tube(rim(1.07), 0.2, 0.2, n=8), *seeds)


def _pear() -> Mesh:
    profile = [
        (0.0, -0.85), (0.3, -0.85), (0.6, -0.68), (0.74, -0.38), (0.7, -0.05), (0.5, 0.25), (0.36, 0.5), (0.3, 0.75),
        (0.18, 0.9), (0.0, 0.92),
    ]  # fmt: skip
    leaf = _leaf((0, 0.02, 1.0), (0.1, -0.5, 1.2), 0.15, 0.4)
    return join(lathe(profile, 0.82, n=28), _stalk((0, 0, 0.9), 0.12, 0.35), leaf)


def fruits() -> dict[str, Mesh]:
    cherry = [ball((0, y, z), 0.42, 0.3, n=20) for y, z in ((-0.5, -0.5), (0.45, -0.62))]
    stems = [
        tube([(0, y, z), (0, 0.7 * y, 0.3), (0, 0.1, 0.95)], 0.035, 0.75) for y, z in ((-0.5, -0.15), (0.45, -0.27))
    ]
    return {
        "apple": _apple(),
        "banana": _banana(),
        "cherries": join(*cherry, *stems, _leaf((0, 0.1, 0.95), (0.15, 0.85, 0.8), 0.2, 0.55)),
        "grapes": _grapes(),
        "pear": _pear(),
        "pineapple": _pineapple(),
        "strawberry": _strawberry(),
        "watermelon": _watermelon(),
    }
