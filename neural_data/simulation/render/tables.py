"""Eight tables."""

import numpy as np

from .meshes import Mesh, ball, both_sides, box, join, lathe, legs, tube


def _disc(radius: float, z: float, thick: float, grey: float) -> Mesh:
    return lathe([(radius, z - thick / 2), (radius, z + thick / 2)], grey, n=32)


def _top(x: float, y: float, z: float, grey: float) -> Mesh:
    return box((0, 0, z), (2 * x, 2 * y, 0.08), grey)


def tables() -> dict[str, Mesh]:
    drawers = [box((0.36, 0.62, z), (0.04, 0.36, 0.15), 0.75) for z in (0.2, 0.38, 0.56)]
    knobs = [ball((0.4, 0.62, z), 0.03, 0.1, n=8) for z in (0.2, 0.38, 0.56)]
    feet = [tube([(0, 0, 0.2), (0.45 * np.cos(a), 0.45 * np.sin(a), 0.03)], [0.06, 0.05], 0.3) for a in (0.5, 2.6, 4.7)]
    trestle = both_sides(
        *(tube([(0.25 * s, 0.7, 0), (0.0, 0.7, 0.72)], 0.04, 0.7, n=8) for s in (-1, 1)),
        tube([(-0.15, 0.7, 0.3), (0.15, 0.7, 0.3)], 0.03, 0.7),
    )
    picnic = both_sides(
        *(box((0, y, z), (1.7, 0.2, 0.06), 0.7) for y, z in ((0.11, 0.77), (0.33, 0.77), (0.6, 0.42), (0.83, 0.42))),
        *(tube([(x, 0.1, 0.72), (x, 0.75, 0.0)], 0.05, 0.5, n=8) for x in (-0.55, 0.55)),
        *(tube([(x, 0.0, 0.35), (x, 0.88, 0.35)], 0.04, 0.5, n=8) for x in (-0.55, 0.55)),
    )
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
        "picnic_table": picnic,
        "round_table": join(
            _disc(0.85, 0.78, 0.08, 0.55),
            lathe([(0.1, 0.1), (0.06, 0.3), (0.13, 0.45), (0.07, 0.6), (0.14, 0.75)], 0.4),
            *feet,
        ),
        "side_table": join(
            _disc(0.42, 0.8, 0.06, 0.9),
            _disc(0.3, 0.3, 0.04, 0.9),
            *(
                tube([(0.28 * np.cos(a), 0.28 * np.sin(a), 0.74), (0.42 * np.cos(a), 0.42 * np.sin(a), 0)], 0.035, 0.8)
                for a in (0.3, 2.4, 4.5)
            ),
        ),
        "trestle_table": join(_top(0.42, 1.05, 0.76, 0.92), trestle),
    }
