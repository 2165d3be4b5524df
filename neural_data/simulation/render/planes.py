"""Eight planes, which fly along x."""

import numpy as np

from .meshes import Mesh, Point, ball, both_sides, box, join, loft, move, slab, tube, turn, wheel

GLASS = 0.06


def _wing(root: Point, tip: Point, chords: Point, thickness: float, grey: float) -> Mesh:
    """A plate from `root` to `tip` (leading edges) with these chords at both, backwards along x."""
    a, b = np.asarray(root, np.float64), np.asarray(tip, np.float64)
    return slab([a, b, b - (chords[1], 0, 0), a - (chords[0], 0, 0)], thickness, grey)


def _tail(
    x: float,
    z: float,
    *,
    span: float = 0.36,
    tall: float = 0.36,
    chord: float = 0.26,
    high: bool = False,
    grey: float = 0.75,
) -> Mesh:
    level = z + tall if high else z + 0.02
    return join(
        _wing((x + chord, 0, z), (x, 0, z + tall), (1.2 * chord, 0.6 * chord), 0.03, grey),
        both_sides(_wing((x + 0.5 * chord, 0, level), (x - 0.1, span, level), (0.8 * chord, 0.45 * chord), 0.03, grey)),
    )


def _fuselage(length: float, radius: float, grey: float, *, windows: bool = True) -> Mesh:
    x = length
    body = loft(
        [
            (-x, 0.35 * radius, 0.03, 0.03),
            (-0.75 * x, 0.2 * radius, 0.55 * radius, 0.6 * radius),
            (-0.4 * x, 0, radius, radius),
            (0.7 * x, 0, radius, radius),
            (0.88 * x, -0.08 * radius, 0.75 * radius, 0.75 * radius),
            (0.97 * x, -0.2 * radius, 0.4 * radius, 0.4 * radius),
            (x, -0.25 * radius, 0.05, 0.05),
        ],
        grey,
    )
    cockpit = loft(
        [(0.84 * x, 0.4 * radius, 0.6 * radius, 0.25 * radius), (0.93 * x, 0.25 * radius, 0.4 * radius, 0.2 * radius)],
        GLASS,
    )
    row = [
        both_sides(box((p * x, 0.95 * radius, 0.25 * radius), (0.035, 0.06 * radius + 0.01, 0.05), GLASS))
        for p in np.linspace(-0.5, 0.75, 14)
    ]
    return join(body, cockpit, *(row if windows else []))


def _jet(at: Point, length: float, radius: float, grey: float = 0.6) -> Mesh:
    rows = [
        (-length / 2, 0, 0.6 * radius, 0.6 * radius),
        (0, 0, radius, radius),
        (length / 2, 0, 0.9 * radius, 0.9 * radius),
    ]
    mouth = [(length / 2, 0, 0.75 * radius, 0.75 * radius), (length / 2 + 0.01, 0, 0.7 * radius, 0.7 * radius)]
    return move(join(loft(rows, grey, n=14), loft(mouth, 0.04, n=14)), by=at)


def _propeller(at: Point, radius: float) -> Mesh:
    blades = slab([(0, -0.05, -radius), (0, 0.05, -radius), (0, 0.05, radius), (0, -0.05, radius)], 0.02, 0.15)
    return move(join(turn(blades, "x", 35), ball((0.02, 0, 0), (0.08, 0.05, 0.05), 0.2)), by=at)


def _airliner(*, engines: int, length: float, hump: bool = False) -> Mesh:
    parts = [
        _fuselage(length, 0.13, 0.95),
        _tail(-0.95 * length, 0.06, grey=0.5),
        both_sides(_wing((0.3, 0.1, -0.05), (-0.35, 1.0, 0.05), (0.45, 0.14), 0.035, 0.75)),
    ]
    spots = [(0.15, 0.36), (-0.1, 0.66)][: engines // 2]
    parts.append(both_sides(*(_jet((x, y, -0.12), 0.24, 0.075) for x, y in spots)))
    if hump:
        parts.append(
            loft(
                [
                    (0.1, 0.1, 0.05, 0.02),
                    (0.4, 0.11, 0.1, 0.1),
                    (0.75 * length, 0.1, 0.09, 0.09),
                    (0.9 * length, 0.02, 0.04, 0.03),
                ],
                0.95,
            )
        )
    return join(*parts)


def _biplane() -> Mesh:
    wings = [both_sides(_wing((0.45, 0, z), (0.45, 1.0, z), (0.36, 0.36), 0.03, 0.85)) for z in (-0.1, 0.38)]
    struts = both_sides(
        *(tube([(x, y, -0.1), (x, y, 0.38)], 0.018, 0.2, n=6) for x in (0.16, 0.4) for y in (0.25, 0.8))
    )
    gear = both_sides(
        tube([(0.4, 0.1, -0.1), (0.42, 0.22, -0.36)], 0.02, 0.2, n=6), wheel((0.42, 0.24, -0.36), 0.11, 0.05, 0.05)
    )
    body = loft([(-0.9, 0.04, 0.03, 0.05), (0.0, 0, 0.13, 0.15), (0.55, 0, 0.15, 0.16), (0.68, 0, 0.1, 0.1)], 0.45)
    return join(
        body,
        *wings,
        struts,
        gear,
        _propeller((0.72, 0, 0), 0.34),
        _tail(-0.9, 0.05, tall=0.26, grey=0.85),
        ball((0.0, 0, 0.15), 0.08, 0.05),
    )


def _fighter() -> Mesh:
    return join(
        loft(
            [
                (-0.95, 0, 0.12, 0.1),
                (-0.2, 0, 0.17, 0.13),
                (0.35, 0.02, 0.12, 0.12),
                (0.85, -0.02, 0.06, 0.06),
                (1.2, -0.04, 0.005, 0.005),
            ],
            0.5,
        ),
        loft([(0.1, 0.1, 0.03, 0.02), (0.35, 0.13, 0.07, 0.09), (0.65, 0.06, 0.03, 0.03)], GLASS),
        both_sides(
            _wing((0.3, 0.1, 0), (-0.65, 0.75, 0), (1.1, 0.15), 0.03, 0.45),
            _wing((-0.5, 0.1, 0.02), (-1.0, 0.42, 0.02), (0.4, 0.15), 0.03, 0.45),
            _wing((-0.4, 0.13, 0.08), (-0.85, 0.2, 0.48), (0.45, 0.18), 0.03, 0.55),
            tube([(-0.8, 0.77, 0), (-0.3, 0.77, 0)], 0.025, 0.9, n=6),
        ),
        _jet((-0.95, 0, 0), 0.14, 0.11, 0.1),
    )


def _light_plane() -> Mesh:
    return join(
        loft(
            [
                (-0.95, 0.08, 0.03, 0.04),
                (-0.25, 0.04, 0.11, 0.11),
                (0.1, 0, 0.15, 0.17),
                (0.42, -0.04, 0.13, 0.13),
                (0.62, -0.05, 0.08, 0.08),
            ],
            0.92,
            power=3,
        ),
        loft([(-0.15, 0.13, 0.12, 0.09), (0.22, 0.12, 0.13, 0.1), (0.36, 0.06, 0.11, 0.03)], GLASS, power=4),
        both_sides(
            _wing((0.25, 0, 0.24), (0.2, 1.1, 0.28), (0.33, 0.24), 0.035, 0.92),
            tube([(0.1, 0.13, -0.1), (0.1, 0.6, 0.24)], 0.018, 0.6, n=6),
            tube([(0.08, 0.1, -0.12), (0.08, 0.3, -0.32)], 0.02, 0.6, n=6),
            wheel((0.08, 0.31, -0.34), 0.09, 0.05, 0.05),
        ),
        wheel((0.5, 0, -0.32), 0.08, 0.05, 0.05),
        tube([(0.5, 0, -0.1), (0.5, 0, -0.32)], 0.02, 0.6, n=6),
        _propeller((0.66, 0, -0.05), 0.3),
        _tail(-0.95, 0.08, tall=0.3, grey=0.6),
    )


def _glider() -> Mesh:
    return join(
        loft(
            [
                (-0.95, 0.06, 0.025, 0.03),
                (-0.2, 0.02, 0.04, 0.05),
                (0.2, 0, 0.09, 0.11),
                (0.5, -0.02, 0.08, 0.09),
                (0.72, -0.05, 0.01, 0.01),
            ],
            0.97,
        ),
        loft([(0.2, 0.07, 0.06, 0.05), (0.4, 0.06, 0.07, 0.06), (0.62, -0.01, 0.03, 0.03)], GLASS),
        both_sides(_wing((0.2, 0, 0.08), (0.1, 1.6, 0.16), (0.22, 0.09), 0.03, 0.97)),
        _tail(-0.95, 0.06, high=True, tall=0.26, span=0.3, chord=0.18, grey=0.97),
    )


def _business_jet() -> Mesh:
    return join(
        _fuselage(0.95, 0.11, 0.9),
        both_sides(
            _wing((0.05, 0.08, -0.07), (-0.35, 0.8, 0.0), (0.36, 0.12), 0.03, 0.7),
            _jet((-0.52, 0.18, 0.08), 0.3, 0.075, 0.5),
        ),
        _tail(-0.95, 0.06, high=True, tall=0.36, span=0.32, grey=0.5),
    )


def _bomber() -> Mesh:
    return join(
        _fuselage(1.0, 0.13, 0.35, windows=False),
        both_sides(
            _wing((0.35, 0.1, 0.0), (0.2, 1.15, 0.08), (0.4, 0.18), 0.05, 0.35),
            *(
                join(_jet((0.28 - 0.1 * y, y, 0.0), 0.36, 0.07, 0.3), _propeller((0.49 - 0.1 * y, y, 0.0), 0.2))
                for y in (0.35, 0.68)
            ),
        ),
        _tail(-0.98, 0.06, tall=0.42, span=0.45, chord=0.34, grey=0.35),
        ball((0.98, 0, -0.02), 0.09, 0.08),
    )


def planes() -> dict[str, Mesh]:
    return {
        "airliner": _airliner(engines=2, length=0.95),
        "biplane": _biplane(),
        "bomber": _bomber(),
        "business_jet": _business_jet(),
        "fighter": _fighter(),
        "glider": _glider(),
        "jumbo": _airliner(engines=4, length=1.1, hump=True),
        "light_plane": _light_plane(),
    }
