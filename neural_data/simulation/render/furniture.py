"""Eight chairs, on which one sits looking along x, and eight tables."""

from itertools import pairwise

import numpy as np

from .meshes import Mesh, ball, both_sides, box, circle, join, lathe, legs, loft, panel, rows, slab, tube, turn


def _office_chair() -> Mesh:
    angles = 2 * np.pi * np.arange(5) / 5
    base = [tube([(0, 0, 0.14), foot], 0.04, 0.12) for foot in circle(0.42, 0.08, angles)]
    castors = [ball(foot, 0.06, 0.05, n=8) for foot in circle(0.43, 0.04, angles)]
    back = loft([(0.75, 0.32, 0.28, 0.05), (1.1, 0.36, 0.32, 0.06), (1.5, 0.36, 0.26, 0.05)], 0.2, power=4)
    return join(
        *base,
        *castors,
        tube([(0, 0, 0.1), (0, 0, 0.55)], 0.05, 0.5),
        loft([(-0.32, 0.6, 0.28, 0.05), (0.1, 0.6, 0.34, 0.07), (0.34, 0.58, 0.28, 0.05)], 0.2, power=4),
        turn(back, "y", -90),
        tube([(-0.2, 0, 0.58), (-0.4, 0, 0.7), (-0.38, 0, 1.0)], 0.04, 0.12),
        both_sides(
            tube([(0, 0.3, 0.58), (0, 0.4, 0.65), (0, 0.4, 0.82)], 0.03, 0.12),
            box((0.03, 0.4, 0.84), (0.36, 0.09, 0.05), 0.12),
        ),
    )


def _wooden_chair(grey: float, *, slats: str, back: float = 1.25, seat: float = 0.55, arms: bool = False) -> Mesh:
    w = 0.36
    parts = [
        box((0, 0, seat), (0.78, 0.8, 0.07), grey),
        legs(0.33, 0.34, seat, 0.05, grey, splay=0.02),
        both_sides(tube([(-0.35, w, seat), (-0.48, w, back)], 0.045, grey, n=8)),
    ]

    def lean(z: float) -> float:
        return -0.35 - 0.13 * (z - seat) / (back - seat)

    if slats == "ladder":
        parts += [box((lean(z), 0, z), (0.04, 2 * w, 0.1), grey) for z in np.linspace(seat + 0.2, back - 0.04, 4)]
    else:
        parts.append(box((lean(back), 0, back), (0.06, 2 * w + 0.08, 0.13), grey))
        parts += [tube([(-0.36, y, seat), (lean(back), y, back)], 0.022, grey, n=6) for y in (-0.2, -0.07, 0.07, 0.2)]
    parts.append(both_sides(tube([(-0.33, 0.35, 0.25), (0.33, 0.35, 0.25)], 0.025, grey, n=6)))
    if arms:
        rest = tube([(lean(0.85), w, 0.85), (0.32, w + 0.04, 0.82)], 0.045, grey)
        parts.append(both_sides(rest, tube([(0.3, w + 0.02, seat), (0.3, w + 0.03, 0.82)], 0.035, grey)))
    return join(*parts)


def _shell_chair() -> Mesh:
    """Moulded seat and back in one piece on thin legs."""
    edge = rows(  # x, half width, z
        "0.42 0.3 0.52; 0.3 0.36 0.56; 0 0.38 0.52; -0.25 0.38 0.54; -0.36 0.38 0.66; -0.42 0.36 0.9; -0.46 0.26 1.15"
    )
    parts = []
    for a, b in pairwise(edge):
        rim = slab([a, b, b + np.array((0.06, 0.05, 0.08)), a + np.array((0.02, 0.05, 0.08))], 0.04, 0.95)
        parts += [panel(a, b, 0.05, 0.95), both_sides(rim)]
    return join(*parts, legs(0.22, 0.22, 0.5, 0.035, 0.2, splay=0.14))


def chairs() -> dict[str, Mesh]:
    angle = np.linspace(-0.6, 0.6, 9)
    runner = tube([(1.25 * np.sin(a), 0.36, 1.2 - 1.25 * np.cos(a) - 0.02) for a in angle], 0.045, 0.35)
    frame = rows(
        "-0.42 0.36 1.2; -0.33 0.36 0.56; 0.3 0.36 0.56; 0.38 0.36 0.48; 0.36 0.36 0.08; 0.28 0.36 0.03; -0.4 0.36 0.03"
    )
    return {
        "armchair": join(
            box((0, 0, 0.3), (0.9, 0.95, 0.3), 0.45),
            box((0.05, 0, 0.5), (0.8, 0.68, 0.16), 0.6),
            turn(box((-0.42, 0, 0.72), (0.24, 0.95, 0.9), 0.5), "y", -8),
            both_sides(
                box((0.05, 0.46, 0.48), (0.9, 0.2, 0.5), 0.45),
                tube([(-0.35, 0.46, 0.74), (0.5, 0.46, 0.74)], 0.13, 0.5),
            ),
            legs(0.35, 0.4, 0.15, 0.06, 0.1),
        ),
        "bar_chair": join(
            lathe([(0.0, 1.0), (0.33, 1.0), (0.36, 1.05), (0.33, 1.1), (0.0, 1.11)], 0.25),
            legs(0.18, 0.18, 1.0, 0.04, 0.75, splay=0.16),
            tube(circle(0.3, 0.38, np.linspace(0, 2 * np.pi, 13)), 0.03, 0.75, n=6),
            both_sides(tube([(-0.28, 0.15, 1.05), (-0.4, 0.2, 1.5)], 0.03, 0.75)),
            panel((-0.38, 0.28, 1.35), (-0.41, 0.26, 1.56), 0.06, 0.25),
        ),
        "cantilever_chair": join(
            both_sides(tube(frame, 0.035, 0.9)),
            tube([(-0.4, -0.36, 0.03), (-0.4, 0.36, 0.03)], 0.035, 0.9),
            box((0, 0, 0.58), (0.66, 0.72, 0.06), 0.1),
            panel((-0.36, 0.36, 0.75), (-0.43, 0.36, 1.22), 0.05, 0.1),
        ),
        "kitchen_chair": _wooden_chair(0.85, slats="spindle"),
        "ladder_chair": _wooden_chair(0.3, slats="ladder", back=1.5),
        "office_chair": _office_chair(),
        "rocking_chair": join(_wooden_chair(0.4, slats="spindle", back=1.45, arms=True), both_sides(runner)),
        "shell_chair": _shell_chair(),
    }


def _disc(radius: float, z: float, thick: float, grey: float) -> Mesh:
    return lathe([(radius, z - thick / 2), (radius, z + thick / 2)], grey, n=32)


def _top(x: float, y: float, z: float, grey: float) -> Mesh:
    return box((0, 0, z), (2 * x, 2 * y, 0.08), grey)


def tables() -> dict[str, Mesh]:
    drawers = [box((0.36, 0.62, z), (0.04, 0.36, 0.15), 0.75) for z in (0.2, 0.38, 0.56)]
    knobs = [ball((0.4, 0.62, z), 0.03, 0.1, n=8) for z in (0.2, 0.38, 0.56)]
    feet = [tube([(0, 0, 0.2), foot], [0.06, 0.05], 0.3) for foot in circle(0.45, 0.03, (0.5, 2.6, 4.7))]
    trestle = both_sides(
        *(tube([(0.25 * s, 0.7, 0), (0.0, 0.7, 0.72)], 0.04, 0.7, n=8) for s in (-1, 1)),
        tube([(-0.15, 0.7, 0.3), (0.15, 0.7, 0.3)], 0.03, 0.7),
    )
    spread = (0.3, 2.4, 4.5)
    three_legs = [
        tube(leg, 0.035, 0.8) for leg in zip(circle(0.28, 0.74, spread), circle(0.42, 0, spread), strict=True)
    ]
    return {
        "coffee_table": join(
            _top(0.5, 0.9, 0.42, 0.3), box((0, 0, 0.14), (0.86, 1.6, 0.05), 0.3), legs(0.42, 0.8, 0.4, 0.06, 0.3)
        ),
        "desk": join(
            _top(0.42, 0.9, 0.72, 0.5),
            box((0, 0.62, 0.38), (0.72, 0.42, 0.6), 0.5),
            *drawers,
            *knobs,
            box((0, -0.8, 0.36), (0.72, 0.06, 0.7), 0.5),
            box((-0.36, 0, 0.45), (0.04, 1.5, 0.4), 0.45),
        ),
        "dining_table": join(
            _top(0.5, 0.95, 0.75, 0.75), box((0, 0, 0.66), (0.86, 1.7, 0.12), 0.65), legs(0.42, 0.84, 0.7, 0.07, 0.65)
        ),
        "glass_table": join(
            _disc(0.8, 0.75, 0.04, 0.85),
            legs(0.15, 0.15, 0.69, 0.04, 0.1, splay=0.4),
            tube([(-0.3, -0.3, 0.4), (0.3, 0.3, 0.4)], 0.03, 0.1),
            tube([(0.3, -0.3, 0.4), (-0.3, 0.3, 0.4)], 0.03, 0.1),
        ),
        "picnic_table": both_sides(
            *(
                box((0, y, z), (1.7, 0.2, 0.06), 0.7)
                for y, z in ((0.11, 0.77), (0.33, 0.77), (0.6, 0.42), (0.83, 0.42))
            ),
            *(tube([(x, 0.1, 0.72), (x, 0.75, 0.0)], 0.05, 0.5, n=8) for x in (-0.55, 0.55)),
            *(tube([(x, 0.0, 0.35), (x, 0.88, 0.35)], 0.04, 0.5, n=8) for x in (-0.55, 0.55)),
        ),
        "round_table": join(
            _disc(0.85, 0.78, 0.08, 0.55),
            lathe([(0.1, 0.1), (0.06, 0.3), (0.13, 0.45), (0.07, 0.6), (0.14, 0.75)], 0.4),
            *feet,
        ),
        "side_table": join(_disc(0.42, 0.8, 0.06, 0.9), _disc(0.3, 0.3, 0.04, 0.9), *three_legs),
        "trestle_table": join(_top(0.42, 1.05, 0.76, 0.92), trestle),
    }
