"""Eight chairs; who sits on them looks along x."""

import numpy as np

from .meshes import Mesh, ball, both_sides, box, join, lathe, legs, loft, slab, tube, turn


def _armchair() -> Mesh:
    return join(
        box((0, 0, 0.3), (0.9, 0.95, 0.3), 0.45),
        box((0.05, 0, 0.5), (0.8, 0.68, 0.16), 0.6),
        turn(box((-0.42, 0, 0.72), (0.24, 0.95, 0.9), 0.5), "y", -8),
        both_sides(
            box((0.05, 0.46, 0.48), (0.9, 0.2, 0.5), 0.45), tube([(-0.35, 0.46, 0.74), (0.5, 0.46, 0.74)], 0.13, 0.5)
        ),
        legs(0.35, 0.4, 0.15, 0.06, 0.1),
    )


def _office_chair() -> Mesh:
    spokes = [(np.cos(a), np.sin(a)) for a in 2 * np.pi * np.arange(5) / 5]
    base = [tube([(0, 0, 0.14), (0.42 * c, 0.42 * s, 0.08)], 0.04, 0.12) for c, s in spokes]
    castors = [ball((0.43 * c, 0.43 * s, 0.04), 0.06, 0.05, n=8) for c, s in spokes]
    return join(
        *base,
        *castors,
        tube([(0, 0, 0.1), (0, 0, 0.55)], 0.05, 0.5),
        loft([(-0.32, 0.6, 0.28, 0.05), (0.1, 0.6, 0.34, 0.07), (0.34, 0.58, 0.28, 0.05)], 0.2, power=4),
        turn(
            loft([(0.75, 0.32, 0.28, 0.05), (1.1, 0.36, 0.32, 0.06), (1.5, 0.36, 0.26, 0.05)], 0.2, power=4), "y", -90
        ),
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
        parts.append(
            both_sides(
                tube([(lean(0.85), w, 0.85), (0.32, w + 0.04, 0.82)], 0.045, grey),
                tube([(0.3, w + 0.02, seat), (0.3, w + 0.03, 0.82)], 0.035, grey),
            )
        )
    return join(*parts)


def _rocking_chair() -> Mesh:
    angle = np.linspace(-0.6, 0.6, 9)
    runner = tube([(1.25 * np.sin(a), 0.36, 1.2 - 1.25 * np.cos(a) - 0.02) for a in angle], 0.045, 0.35)
    return join(_wooden_chair(0.4, slats="spindle", back=1.45, arms=True), both_sides(runner))


def _cantilever_chair() -> Mesh:
    frame = tube(
        [
            (-0.42, 0.36, 1.2),
            (-0.33, 0.36, 0.56),
            (0.3, 0.36, 0.56),
            (0.38, 0.36, 0.48),
            (0.36, 0.36, 0.08),
            (0.28, 0.36, 0.03),
            (-0.4, 0.36, 0.03),
        ],
        0.035,
        0.9,
    )
    return join(
        both_sides(frame),
        tube([(-0.4, -0.36, 0.03), (-0.4, 0.36, 0.03)], 0.035, 0.9),
        box((0, 0, 0.58), (0.66, 0.72, 0.06), 0.1),
        slab([(-0.36, -0.36, 0.75), (-0.36, 0.36, 0.75), (-0.43, 0.36, 1.22), (-0.43, -0.36, 1.22)], 0.05, 0.1),
    )


def _bar_chair() -> Mesh:
    ring = [(0.3 * np.cos(a), 0.3 * np.sin(a), 0.38) for a in np.linspace(0, 2 * np.pi, 13)]
    return join(
        lathe([(0.0, 1.0), (0.33, 1.0), (0.36, 1.05), (0.33, 1.1), (0.0, 1.11)], 0.25),
        legs(0.18, 0.18, 1.0, 0.04, 0.75, splay=0.16),
        tube(ring, 0.03, 0.75, n=6),
        both_sides(tube([(-0.28, 0.15, 1.05), (-0.4, 0.2, 1.5)], 0.03, 0.75)),
        slab([(-0.38, -0.28, 1.35), (-0.38, 0.28, 1.35), (-0.41, 0.26, 1.56), (-0.41, -0.26, 1.56)], 0.06, 0.25),
    )


def _shell_chair() -> Mesh:
    """Moulded seat and back in one piece on thin legs."""
    path = [(0.42, 0.52), (0.3, 0.56), (0.0, 0.52), (-0.25, 0.54), (-0.36, 0.66), (-0.42, 0.9), (-0.46, 1.15)]
    width = [0.3, 0.36, 0.38, 0.38, 0.38, 0.36, 0.26]
    parts = []
    for (xa, za), (xb, zb), a, b in zip(path, path[1:], width, width[1:], strict=False):
        parts.append(slab([(xa, -a, za), (xa, a, za), (xb, b, zb), (xb, -b, zb)], 0.05, 0.95))
        parts.append(
            both_sides(
                slab(
                    [(xa, a, za), (xb, b, zb), (xb + 0.06, b + 0.05, zb + 0.08), (xa + 0.02, a + 0.05, za + 0.08)],
                    0.04,
                    0.95,
                )
            )
        )
    return join(*parts, legs(0.22, 0.22, 0.5, 0.035, 0.2, splay=0.14))


def chairs() -> dict[str, Mesh]:
    return {
        "armchair": _armchair(),
        "bar_chair": _bar_chair(),
        "cantilever_chair": _cantilever_chair(),
        "kitchen_chair": _wooden_chair(0.85, slats="spindle"),
        "ladder_chair": _wooden_chair(0.3, slats="ladder", back=1.5),
        "office_chair": _office_chair(),
        "rocking_chair": _rocking_chair(),
        "shell_chair": _shell_chair(),
    }
