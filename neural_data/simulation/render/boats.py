"""Eight boats, whose bows point along x."""

import numpy as np

from .meshes import Mesh, Point, both_sides, box, join, lathe, loft, move, slab, tube, turn, wheel

GLASS = 0.06


def _hull(
    length: float, wide: float, deep: float, grey: float, *, sheer: float = 0.15, stern: float = 0.7, power: float = 2.5
) -> Mesh:
    """Pointed at the bow, cut off at the stern, with a deck that rises forwards."""
    x = np.array([-1.0, -0.98, -0.5, 0.1, 0.55, 0.85, 1.0])
    beam = np.array([0.02, stern, 0.95, 1.0, 0.75, 0.32, 0.02])
    depth = np.array([0.6, 0.9, 1.0, 1.0, 0.95, 0.75, 0.35])
    height = sheer * np.maximum(x, 0) ** 2 + 0.3 * sheer * np.maximum(-x, 0) ** 2
    rows = [(length * a, h, wide * b, deep * d + h) for a, b, d, h in zip(x, beam, depth, height, strict=True)]
    return loft(rows, grey, power=power, deck=True)


def _portholes(xs: Point, y: float, z: float, size: float = 0.05) -> Mesh:
    return both_sides(*(box((x, y, z), (size, 0.03, size), GLASS) for x in xs))


def _rowing_boat() -> Mesh:
    return join(
        _hull(0.95, 0.32, 0.3, 0.75, sheer=0.25, stern=0.6),
        move(_hull(0.86, 0.26, 0.02, 0.2, sheer=0.22, stern=0.6), by=(0, 0, 0.012)),
        *(box((x, 0, 0.03), (0.12, 0.54, 0.04), 0.9) for x in (-0.48, -0.05, 0.38)),
        both_sides(
            tube([(0.1, 0.1, 0.15), (-0.15, 1.0, -0.1)], 0.03, 0.9), box((-0.17, 1.08, -0.12), (0.12, 0.3, 0.04), 0.9)
        ),
    )


def _sailboat() -> Mesh:
    return join(
        _hull(0.9, 0.26, 0.25, 0.95, sheer=0.08),
        box((-0.15, 0, 0.08), (0.6, 0.26, 0.12), 0.7, top=0.8),
        tube([(0.1, 0, 0), (0.1, 0, 1.75)], 0.025, 0.25),
        slab([(0.06, 0, 0.2), (0.06, 0, 1.7), (-0.85, 0, 0.25)], 0.02, 1.0),
        slab([(0.16, 0, 1.45), (0.16, 0, 0.25), (0.9, 0, 0.12)], 0.02, 0.85),
    )


def _galleon() -> Mesh:
    parts = [
        _hull(1.0, 0.3, 0.35, 0.3, sheer=0.22),
        box((-0.72, 0, 0.2), (0.5, 0.46, 0.35), 0.35, top=0.9),
        box((0.6, 0, 0.15), (0.3, 0.3, 0.16), 0.35),
    ]
    for x, tall, wide in ((-0.6, 1.25, 0.36), (-0.05, 1.6, 0.48), (0.5, 1.3, 0.38)):
        parts.append(tube([(x, 0, 0), (x, 0, tall)], 0.03, 0.2))
        for low, high, w in ((0.35, 0.7, wide), (0.76, 1.03, 0.8 * wide), (1.08, 1.28, 0.6 * wide)):
            if high < tall:
                corners = [
                    (x + 0.06, -w, low),
                    (x + 0.06, w, low),
                    (x + 0.04, 0.85 * w, high),
                    (x + 0.04, -0.85 * w, high),
                ]
                parts.append(slab(corners, 0.03, 1.0))
    return join(*parts, tube([(0.9, 0, 0.2), (1.35, 0, 0.45)], 0.03, 0.2))


def _liner() -> Mesh:
    decks = [
        box((-0.08 - 0.03 * i, 0, 0.12 + 0.12 * i), (1.35 - 0.2 * i, 0.42 - 0.04 * i, 0.12), 0.95 - 0.04 * (i % 2))
        for i in range(4)
    ]
    rows = [
        _portholes(np.linspace(-0.6, 0.45, 12).tolist(), 0.215 - 0.02 * i, 0.13 + 0.12 * i, 0.045) for i in range(3)
    ]
    funnels = [
        move(turn(lathe([(0.1, 0), (0.09, 0.22), (0.09, 0.22), (0.09, 0.32)], 0.25), "y", -12), by=(x, 0, 0.5))
        for x in (-0.4, 0.0)
    ]
    return join(_hull(1.15, 0.24, 0.3, 0.12, sheer=0.14), *decks, *rows, *funnels)


def _container_ship() -> Mesh:
    stacks = []
    for i, x in enumerate(np.linspace(-0.4, 0.75, 6)):
        for level in range(3 if 0 < i < 5 else 2):
            for j, y in enumerate((-0.14, 0.0, 0.14)):
                grey = (0.35, 0.9, 0.6, 0.2)[(i + 2 * level + j) % 4]
                stacks.append(box((x, y, 0.13 + 0.15 * level), (0.2, 0.13, 0.14), grey))
    bridge = [
        box((-0.85, 0, 0.35), (0.25, 0.42, 0.7), 0.95),
        box((-0.72, 0, 0.6), (0.03, 0.4, 0.08), GLASS),
        box((-1.0, 0, 0.5), (0.12, 0.16, 0.7), 0.3),
    ]
    return join(_hull(1.2, 0.25, 0.28, 0.2, sheer=0.12, power=4), *stacks, *bridge)


def _motor_yacht() -> Mesh:
    return join(
        _hull(1.0, 0.3, 0.28, 0.97, sheer=0.16),
        loft([(-0.6, 0.15, 0.24, 0.12), (0.1, 0.17, 0.22, 0.14), (0.55, 0.12, 0.1, 0.02)], 0.97, power=4),
        loft([(-0.5, 0.2, 0.25, 0.05), (0.15, 0.21, 0.225, 0.05), (0.42, 0.19, 0.12, 0.02)], GLASS, power=4),
        loft([(-0.55, 0.36, 0.2, 0.06), (-0.1, 0.36, 0.18, 0.07), (0.15, 0.3, 0.1, 0.01)], 0.9, power=4),
        tube([(-0.4, 0, 0.4), (-0.5, 0, 0.65)], 0.03, 0.8),
    )


def _tugboat() -> Mesh:
    return join(
        _hull(0.85, 0.36, 0.35, 0.15, sheer=0.28),
        box((0.1, 0, 0.22), (0.7, 0.44, 0.3), 0.85),
        box((0.22, 0, 0.5), (0.36, 0.4, 0.28), 0.95, top=0.9),
        box((0.22, 0, 0.53), (0.38, 0.41, 0.12), GLASS),
        box((0.2, 0, 0.67), (0.46, 0.46, 0.05), 0.5),
        lathe([(0.13, 0.3), (0.12, 0.75), (0.14, 0.75), (0.14, 0.85)], 0.3, at=(-0.2, 0, 0)),
        tube([(0.3, 0, 0.65), (0.3, 0, 1.15)], 0.02, 0.2),
        both_sides(*(wheel((x, 0.37, 0.0), 0.1, 0.06, 0.03, hub=0.2) for x in (-0.4, -0.1, 0.2))),
    )


def _catamaran() -> Mesh:
    return join(
        both_sides(move(_hull(1.0, 0.11, 0.2, 0.95, sheer=0.1), by=(0, 0.42, 0))),
        box((-0.15, 0, 0.03), (1.1, 0.9, 0.06), 0.6),
        loft([(-0.6, 0.12, 0.34, 0.08), (0.1, 0.14, 0.3, 0.1), (0.4, 0.1, 0.16, 0.02)], 0.9, power=4),
        tube([(0.15, 0, 0), (0.15, 0, 1.9)], 0.025, 0.25),
        slab([(0.1, 0, 0.35), (0.1, 0, 1.85), (-0.4, 0, 1.5), (-0.85, 0, 0.4)], 0.02, 1.0),
        slab([(0.2, 0, 1.6), (0.2, 0, 0.3), (0.9, 0, 0.1)], 0.02, 0.8),
    )


def boats() -> dict[str, Mesh]:
    return {
        "catamaran": _catamaran(),
        "container_ship": _container_ship(),
        "galleon": _galleon(),
        "liner": _liner(),
        "motor_yacht": _motor_yacht(),
        "rowing_boat": _rowing_boat(),
        "sailboat": _sailboat(),
        "tugboat": _tugboat(),
    }
