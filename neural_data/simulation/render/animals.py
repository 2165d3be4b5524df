"""Eight animals."""

import numpy as np

from .meshes import Mesh, Point, ball, both_sides, fine, join, move, paint, tube, turn


def _quadruped(
    grey: float,
    *,
    length: float = 1.2,
    girth: float = 0.26,
    legs: float = 0.5,
    leg: float = 0.08,
    neck: Point = (0.25, 0.25),
    throat: float = 0.16,
    head: Point = (0.2, 0.15, 0.16),
    muzzle: float = 0.18,
    snout: float = 0.09,
    ears: Point = (0.03, 0.05, 0.09),
    tail: float = 0.4,
) -> Mesh:
    """A four-legged body; `neck` is how far the head lies before and above the chest."""
    x, z = length / 2, legs + 0.7 * girth
    body = tube(
        [(-x, 0, z), (-0.3 * x, 0, z - 0.03), (0.4 * x, 0, z), (x, 0, z + 0.04)],
        [0.85 * girth, girth, girth, 0.9 * girth],
        grey,
        n=16,
    )
    y, knee = 0.6 * girth, legs / 2
    limbs = both_sides(
        tube([(-x, y, z), (-x - 0.06, y, knee), (-x, y, leg / 2)], [1.5 * leg, leg, 0.8 * leg], grey),
        tube([(0.9 * x, y, z), (0.9 * x, y, knee), (0.95 * x, y, leg / 2)], [1.4 * leg, leg, 0.8 * leg], grey),
        *(ball((foot, y, 0.5 * leg), (1.3 * leg, leg, 0.6 * leg), grey) for foot in (-x + 0.02, 0.95 * x + 0.03)),
    )
    fx, fz = x + neck[0], z + 0.4 * girth + neck[1]
    tip = fx + head[0] + 0.6 * muzzle, fz - 0.25 * head[2] - 0.3 * muzzle
    front = join(
        tube([(0.85 * x, 0, z + 0.2 * girth), (fx, 0, fz)], [1.3 * throat, throat], grey, n=14),
        ball((fx, 0, fz), head, grey),
        tube([(fx, 0, fz), (tip[0], 0, tip[1])], [0.8 * head[2], snout], grey, n=12),
        ball((tip[0] + 0.7 * snout, 0, tip[1] + 0.05 * muzzle), 0.45 * snout, 0.08),
        both_sides(
            ball((fx + 0.62 * head[0], 0.68 * head[1], fz + 0.35 * head[2]), 0.16 * head[1] + 0.012, 0.03),
            ball((fx - 0.3 * head[0], 0.85 * head[1], fz + 0.9 * head[2] + 0.3 * ears[2]), ears, 0.8 * grey),
        ),
    )
    back = -x - girth
    end = [
        (-x - 0.7 * girth, 0, z + 0.3 * girth),
        (back - 0.3 * tail, 0, z - 0.2 * tail),
        (back - 0.35 * tail, 0, z - tail),
    ]
    return join(body, limbs, front, tube(end, [0.05, 0.035, 0.04], 0.8 * grey))


def _bear() -> Mesh:
    return _quadruped(
        0.22, length=1.0, girth=0.36, legs=0.38, leg=0.14, neck=(0.28, 0.12), throat=0.24, head=(0.24, 0.22, 0.23),
        muzzle=0.18, snout=0.11, ears=(0.04, 0.08, 0.09), tail=0.05,
    )  # fmt: skip


def _cow() -> Mesh:
    body = _quadruped(
        0.9, girth=0.33, legs=0.45, leg=0.09, neck=(0.3, 0.12), head=(0.2, 0.15, 0.17), muzzle=0.22, snout=0.13,
        ears=(0.04, 0.14, 0.05), tail=0.6,
    )  # fmt: skip
    spots = paint(
        fine(fine(body)),
        lambda x, y, z: np.where(np.sin(6 * x + 1) * np.cos(7 * y + 1) + np.sin(6 * z + 9 * x * y) > 0.15, 0.08, 0.95),
    )
    horns = both_sides(tube([(0.86, 0.12, 1.02), (0.86, 0.26, 1.1), (0.9, 0.28, 1.24)], [0.04, 0.035, 0.015], 0.9))
    return join(spots, horns, ball((-0.4, 0, 0.4), (0.16, 0.14, 0.14), 0.85))


def _dog() -> Mesh:
    body = _quadruped(
        0.8, length=0.8, girth=0.2, legs=0.4, leg=0.06, neck=(0.18, 0.22), throat=0.13, head=(0.18, 0.15, 0.16),
        muzzle=0.2, snout=0.08, ears=(0.01, 0.01, 0.01), tail=-0.35,
    )  # fmt: skip
    flaps = both_sides(tube([(0.52, 0.12, 0.97), (0.5, 0.19, 0.9), (0.52, 0.21, 0.7)], [0.05, 0.07, 0.08], 0.25))
    return join(body, flaps, ball((-0.1, 0.1, 0.62), (0.24, 0.14, 0.14), 0.25))


def _elephant() -> Mesh:
    body = _quadruped(
        0.45, length=1.0, girth=0.42, legs=0.55, leg=0.15, neck=(0.3, 0.1), throat=0.28, head=(0.27, 0.27, 0.3),
        muzzle=0, snout=0.1, ears=(0.01, 0.01, 0.01), tail=0.5,
    )  # fmt: skip
    trunk = [(1.0, 0, 1.0), (1.22, 0, 0.8), (1.28, 0, 0.5), (1.28, 0, 0.25), (1.4, 0, 0.12)]
    ears = move(turn(ball((0, 0, 0), (0.05, 0.32, 0.4), 0.38), "z", 28), by=(0.72, 0.48, 1.0))
    tusks = tube([(1.08, 0.15, 0.85), (1.3, 0.2, 0.62), (1.5, 0.2, 0.62)], [0.05, 0.04, 0.015], 1.0)
    return join(body, tube(trunk, [0.17, 0.13, 0.1, 0.08, 0.06], 0.45), both_sides(ears, tusks))


def _giraffe() -> Mesh:
    body = _quadruped(
        0.85, length=0.75, girth=0.22, legs=0.85, leg=0.06, neck=(0.42, 0.95), throat=0.1, head=(0.16, 0.1, 0.11),
        muzzle=0.18, snout=0.07, tail=0.45,
    )  # fmt: skip
    spots = paint(
        fine(fine(body)),
        lambda x, y, z: np.where(
            (np.sin(19 * x + 3 * np.sin(5 * z)) * np.sin(17 * z + 2 * np.sin(7 * y)) > 0.12) & (z > 0.45), 0.25, 0.95
        ),
    )
    return join(spots, both_sides(tube([(0.77, 0.05, 2.1), (0.74, 0.07, 2.27)], [0.025, 0.035], 0.2)))


def _lion() -> Mesh:
    body = _quadruped(
        0.7, girth=0.25, legs=0.42, leg=0.09, neck=(0.2, 0.16), head=(0.2, 0.17, 0.19), muzzle=0.14, snout=0.1,
        tail=0.45,
    )  # fmt: skip
    mane = [ball((0.72, 0, 0.86), (0.17, 0.36, 0.4), 0.25), ball((0.55, 0, 0.75), (0.28, 0.33, 0.38), 0.25)]
    return join(body, *mane, ball((-1.0, 0, 0.2), (0.07, 0.07, 0.12), 0.2))


def _turtle() -> Mesh:
    shell = paint(
        ball((0, 0, 0.25), (0.8, 0.62, 0.42), 0.3, n=72),
        lambda x, y, z: np.where((np.abs(np.sin(5 * x)) < 0.2) | (np.abs(np.sin(5 * y)) < 0.2) | (z < 0.2), 0.85, 0.3),
    )
    limbs = both_sides(
        tube([(0.5, 0.45, 0.15), (0.75, 0.75, 0.08), (0.7, 0.95, 0.02)], [0.14, 0.12, 0.1], 0.6),
        tube([(-0.5, 0.4, 0.15), (-0.75, 0.65, 0.05)], [0.13, 0.1], 0.6),
        ball((1.2, 0.1, 0.42), 0.035, 0.02),
    )
    head = tube([(0.7, 0, 0.2), (1.1, 0, 0.36)], [0.13, 0.15], 0.6)
    return join(shell, limbs, head, tube([(-0.75, 0, 0.15), (-1.0, 0, 0.08)], [0.08, 0.02], 0.6))


def _zebra() -> Mesh:
    body = _quadruped(
        0.5, length=1.0, girth=0.24, legs=0.65, leg=0.06, neck=(0.35, 0.42), throat=0.13, head=(0.17, 0.11, 0.14),
        muzzle=0.3, snout=0.09, tail=0.6,
    )  # fmt: skip
    stripes = paint(
        fine(fine(body)), lambda x, y, z: np.where(np.sin(24 * (x + 0.35 * z) + 3 * np.sin(3 * z)) > 0.0, 0.06, 1.0)
    )
    return join(stripes, tube([(0.5, 0, 1.2), (0.72, 0, 1.42)], 0.06, 0.1))


def animals() -> dict[str, Mesh]:
    return {
        "bear": _bear(),
        "cow": _cow(),
        "dog": _dog(),
        "elephant": _elephant(),
        "giraffe": _giraffe(),
        "lion": _lion(),
        "turtle": _turtle(),
        "zebra": _zebra(),
    }
