"""Eight boats, eight cars and eight planes, all of which move along x."""

import numpy as np

from .meshes import (
    Mesh,
    Point,
    ball,
    both_sides,
    box,
    join,
    lathe,
    loft,
    move,
    panel,
    rows,
    slab,
    table,
    tube,
    turn,
    wheel,
)

_GLASS = 0.06
_HULL = rows(  # along, beam, depth
    "-1 0.02 0.6; -0.98 1 0.9; -0.5 0.95 1; 0.1 1 1; 0.55 0.75 0.95; 0.85 0.32 0.75; 1 0.02 0.35"
)


def _hull(
    length: float, wide: float, deep: float, grey: float, *, sheer: float = 0.15, stern: float = 0.7, power: float = 2.5
) -> Mesh:
    """Pointed at the bow, cut off at the stern, with a deck that rises forwards."""
    x, beam, depth = _HULL.T
    beam = np.where(x == -0.98, stern, beam)
    height = sheer * np.maximum(x, 0) ** 2 + 0.3 * sheer * np.maximum(-x, 0) ** 2
    stations = np.column_stack((length * x, height, wide * beam, deep * depth + height))
    return loft(stations.tolist(), grey, power=power, deck=True)


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
                parts.append(panel((x + 0.06, w, low), (x + 0.04, 0.85 * w, high), 0.03, 1.0))
    return join(*parts, tube([(0.9, 0, 0.2), (1.35, 0, 0.45)], 0.03, 0.2))


def _liner() -> Mesh:
    parts = [_hull(1.15, 0.24, 0.3, 0.12, sheer=0.14)]
    for i in range(4):
        size = (1.35 - 0.2 * i, 0.42 - 0.04 * i, 0.12)
        parts.append(box((-0.08 - 0.03 * i, 0, 0.12 + 0.12 * i), size, 0.95 - 0.04 * (i % 2)))
    for i in range(3):
        places = [(x, 0.215 - 0.02 * i, 0.13 + 0.12 * i) for x in np.linspace(-0.6, 0.45, 12).tolist()]
        parts.append(both_sides(*(box(place, (0.045, 0.03, 0.045), _GLASS) for place in places)))
    funnel = turn(lathe([(0.1, 0), (0.09, 0.22), (0.09, 0.22), (0.09, 0.32)], 0.25), "y", -12)
    return join(*parts, *(move(funnel, by=(x, 0, 0.5)) for x in (-0.4, 0.0)))


def _container_ship() -> Mesh:
    parts = [_hull(1.2, 0.25, 0.28, 0.2, sheer=0.12, power=4)]
    for i, x in enumerate(np.linspace(-0.4, 0.75, 6)):
        for level in range(3 if 0 < i < 5 else 2):
            for j, y in enumerate((-0.14, 0.0, 0.14)):
                grey = (0.35, 0.9, 0.6, 0.2)[(i + 2 * level + j) % 4]
                parts.append(box((x, y, 0.13 + 0.15 * level), (0.2, 0.13, 0.14), grey))
    return join(
        *parts,
        box((-0.85, 0, 0.35), (0.25, 0.42, 0.7), 0.95),
        box((-0.72, 0, 0.6), (0.03, 0.4, 0.08), _GLASS),
        box((-1.0, 0, 0.5), (0.12, 0.16, 0.7), 0.3),
    )


def boats() -> dict[str, Mesh]:
    oar = tube([(0.1, 0.1, 0.15), (-0.15, 1.0, -0.1)], 0.03, 0.9)
    return {
        "catamaran": join(
            both_sides(move(_hull(1.0, 0.11, 0.2, 0.95, sheer=0.1), by=(0, 0.42, 0))),
            box((-0.15, 0, 0.03), (1.1, 0.9, 0.06), 0.6),
            loft([(-0.6, 0.12, 0.34, 0.08), (0.1, 0.14, 0.3, 0.1), (0.4, 0.1, 0.16, 0.02)], 0.9, power=4),
            tube([(0.15, 0, 0), (0.15, 0, 1.9)], 0.025, 0.25),
            slab([(0.1, 0, 0.35), (0.1, 0, 1.85), (-0.4, 0, 1.5), (-0.85, 0, 0.4)], 0.02, 1.0),
            slab([(0.2, 0, 1.6), (0.2, 0, 0.3), (0.9, 0, 0.1)], 0.02, 0.8),
        ),
        "container_ship": _container_ship(),
        "galleon": _galleon(),
        "liner": _liner(),
        "motor_yacht": join(
            _hull(1.0, 0.3, 0.28, 0.97, sheer=0.16),
            loft([(-0.6, 0.15, 0.24, 0.12), (0.1, 0.17, 0.22, 0.14), (0.55, 0.12, 0.1, 0.02)], 0.97, power=4),
            loft([(-0.5, 0.2, 0.25, 0.05), (0.15, 0.21, 0.225, 0.05), (0.42, 0.19, 0.12, 0.02)], _GLASS, power=4),
            loft([(-0.55, 0.36, 0.2, 0.06), (-0.1, 0.36, 0.18, 0.07), (0.15, 0.3, 0.1, 0.01)], 0.9, power=4),
            tube([(-0.4, 0, 0.4), (-0.5, 0, 0.65)], 0.03, 0.8),
        ),
        "rowing_boat": join(
            _hull(0.95, 0.32, 0.3, 0.75, sheer=0.25, stern=0.6),
            move(_hull(0.86, 0.26, 0.02, 0.2, sheer=0.22, stern=0.6), by=(0, 0, 0.012)),
            *(box((x, 0, 0.03), (0.12, 0.54, 0.04), 0.9) for x in (-0.48, -0.05, 0.38)),
            both_sides(oar, box((-0.17, 1.08, -0.12), (0.12, 0.3, 0.04), 0.9)),
        ),
        "sailboat": join(
            _hull(0.9, 0.26, 0.25, 0.95, sheer=0.08),
            box((-0.15, 0, 0.08), (0.6, 0.26, 0.12), 0.7, top=0.8),
            tube([(0.1, 0, 0), (0.1, 0, 1.75)], 0.025, 0.25),
            slab([(0.06, 0, 0.2), (0.06, 0, 1.7), (-0.85, 0, 0.25)], 0.02, 1.0),
            slab([(0.16, 0, 1.45), (0.16, 0, 0.25), (0.9, 0, 0.12)], 0.02, 0.85),
        ),
        "tugboat": join(
            _hull(0.85, 0.36, 0.35, 0.15, sheer=0.28),
            box((0.1, 0, 0.22), (0.7, 0.44, 0.3), 0.85),
            box((0.22, 0, 0.5), (0.36, 0.4, 0.28), 0.95, top=0.9),
            box((0.22, 0, 0.53), (0.38, 0.41, 0.12), _GLASS),
            box((0.2, 0, 0.67), (0.46, 0.46, 0.05), 0.5),
            lathe([(0.13, 0.3), (0.12, 0.75), (0.14, 0.75), (0.14, 0.85)], 0.3, at=(-0.2, 0, 0)),
            tube([(0.3, 0, 0.65), (0.3, 0, 1.15)], 0.02, 0.2),
            both_sides(*(wheel((x, 0.37, 0.0), 0.1, 0.06, 0.03, hub=0.2) for x in (-0.4, -0.1, 0.2))),
        ),
    }


_CARS = table("""
    name         grey  length  wide  waist  roof from, to  screens from, to  tall  nose  tail  tyres  power
    convertible  0.85  1.95    0.42  0.46   0      0       0      0          0     0.82  0.9   0.19   6
    hatchback    0.6   1.6     0.42  0.52   -0.75  0.15    -0.95  0.55       0.36  0.85  0.9   0.19   6
    jeep         0.4   1.6     0.42  0.6    -0.9   0.12    -0.95  0.2        0.38  1     1     0.24   12
    limousine    0.1   2.9     0.42  0.48   -0.65  0.3     -0.78  0.48       0.3   0.85  0.9   0.19   6
    minibus      0.92  1.9     0.42  0.55   -0.93  0.55    -0.97  0.88       0.45  0.95  0.9   0.19   6
    pickup       0.5   2.1     0.42  0.53   -0.1   0.2     -0.15  0.48       0.36  0.95  0.9   0.22   6
    sedan        0.8   2       0.42  0.5    -0.55  0.15    -0.85  0.5        0.34  0.85  0.9   0.19   6
    sports_car   0.7   2       0.46  0.4    -0.35  0       -0.9   0.5        0.22  0.65  0.9   0.2    4
""")


def _car(name: str) -> Mesh:
    """A body between the bumpers, a glass house with pillars and a roof (if it is tall), four wheels and lights.

    Where the roof, and the glass at the waist, begin and end goes from -1 (rear) to 1 (front).
    """
    grey, length, wide, waist, r0, r1, s0, s1, tall, nose, tail, tyres, power = _CARS[name]
    x, low = length / 2, 0.16
    mid, half = (waist + low) / 2, (waist - low) / 2
    stations = [
        (-x, mid, 0.88 * wide, half * 0.7),
        (-0.96 * x, mid * tail + 0.03, 0.97 * wide, half * tail),
        (-0.5 * x, mid, wide, half),
        (0.45 * x, mid, wide, half),
        (0.94 * x, mid * nose + 0.02, 0.95 * wide, half * nose),
        (x, mid * nose, 0.85 * wide, half * 0.65),
    ]
    parts = [loft(stations, grey, power=power)]
    if tall:
        r0, r1, s0, s1 = (x * v for v in (r0, r1, s0, s1))
        inner, top, z0, z1 = 0.9 * wide, 0.74 * wide, waist - 0.02, waist + tall
        parts.append(_house(s0, s1, r0, r1, inner, top, z0, z1, _GLASS))
        parts.append(_house(r0 - 0.03, r1 + 0.03, r0, r1, top + 0.02, top, z1 - 0.03, z1 + 0.03, grey))
        for bottom, up in ((s0, r0), (s1, r1), ((s0 + s1) / 2, (r0 + r1) / 2)):
            parts.append(both_sides(tube([(bottom, inner, z0), (up, top, z1)], 0.028, grey, n=6)))
    lights = both_sides(
        box((0.97 * x, 0.66 * wide, mid * nose + 0.05), (0.08, 0.3 * wide, 0.09), 1.0),
        box((-0.985 * x, 0.68 * wide, mid + 0.06), (0.06, 0.28 * wide, 0.09), 0.3),
        *(wheel((px * x, 0.9 * wide, tyres), tyres, 0.14, 0.04) for px in (-0.62, 0.62)),
        *(wheel((px * x, 0.93 * wide, tyres + 0.01), 1.2 * tyres, 0.06, 0.02, hub=0.02) for px in (-0.62, 0.62)),
    )
    grille = box((0.99 * x, 0, mid * nose - 0.04), (0.05, 0.7 * wide, 0.1), 0.08)
    return join(*parts, lights, grille)


def _house(
    s0: float, s1: float, r0: float, r1: float, wide: float, top: float, z0: float, z1: float, grey: float
) -> Mesh:
    low = [(s0, -wide, z0), (s1, -wide, z0), (s1, wide, z0), (s0, wide, z0)]
    high = [(r0, -top, z1), (r1, -top, z1), (r1, top, z1), (r0, top, z1)]
    sides = [[low[i], low[(i + 1) % 4], high[(i + 1) % 4], high[i]] for i in range(4)]
    return join(*(slab(side, 0.01, grey) for side in (high, *sides)))


def cars() -> dict[str, Mesh]:
    found = {name: [_car(name)] for name in _CARS}
    found["convertible"] += [
        both_sides(box((-0.28, 0.17, 0.5), (0.12, 0.24, 0.3), 0.12), box((-0.12, 0.17, 0.47), (0.3, 0.24, 0.05), 0.12)),
        panel((0.3, 0.36, 0.44), (0.12, 0.32, 0.7), 0.02, 0.25),
        box((-0.12, 0, 0.455), (0.75, 0.66, 0.02), 0.05),
    ]
    found["jeep"].append(move(turn(wheel((0, 0, 0), 0.2, 0.1, 0.05), "z", 90), by=(-0.86, 0, 0.55)))
    found["pickup"] += [
        box((-0.56, 0, 0.53), (0.78, 0.72, 0.06), 0.08),
        both_sides(box((-0.56, 0.39, 0.56), (0.86, 0.05, 0.14), 0.5)),
        box((-0.97, 0, 0.56), (0.05, 0.8, 0.14), 0.5),
    ]
    struts = both_sides(box((-0.88, 0.3, 0.45), (0.05, 0.04, 0.14), 0.1))
    found["sports_car"] += [struts, box((-0.9, 0, 0.53), (0.2, 0.86, 0.03), 0.6)]
    return {name: join(*parts) for name, parts in found.items()}


def _wing(root: Point, tip: Point, chords: Point, thickness: float, grey: float) -> Mesh:
    """A plate from `root` to `tip` (leading edges) with these chords at both, backwards along x."""
    a, b = np.asarray(root, np.float64), np.asarray(tip, np.float64)
    return slab([a, b, b - (chords[1], 0, 0), a - (chords[0], 0, 0)], thickness, grey)


def _tail(
    x: float, z: float, grey: float, *, span: float = 0.36, tall: float = 0.36, chord: float = 0.26, high: bool = False
) -> Mesh:
    level = z + tall if high else z + 0.02
    return join(
        _wing((x + chord, 0, z), (x, 0, z + tall), (1.2 * chord, 0.6 * chord), 0.03, grey),
        both_sides(_wing((x + 0.5 * chord, 0, level), (x - 0.1, span, level), (0.8 * chord, 0.45 * chord), 0.03, grey)),
    )


def _fuselage(length: float, radius: float, grey: float, *, windows: bool = True) -> Mesh:
    x, r = length, radius
    body = rows("-0.75 0.2 0.55 0.6; -0.4 0 1 1; 0.7 0 1 1; 0.88 -0.08 0.75 0.75; 0.97 -0.2 0.4 0.4") * (x, r, r, r)
    cockpit = rows("0.84 0.4 0.6 0.25; 0.93 0.25 0.4 0.2") * (x, r, r, r)
    parts = [
        loft([(-x, 0.35 * r, 0.03, 0.03), *body, (x, -0.25 * r, 0.05, 0.05)], grey),
        loft(cockpit.tolist(), _GLASS),
    ]
    for p in np.linspace(-0.5, 0.75, 14) if windows else ():
        parts.append(both_sides(box((p * x, 0.95 * r, 0.25 * r), (0.035, 0.06 * r + 0.01, 0.05), _GLASS)))
    return join(*parts)


def _jet(at: Point, length: float, radius: float, grey: float = 0.6) -> Mesh:
    x, r = length / 2, radius
    mouth = [(x, 0, 0.75 * r, 0.75 * r), (x + 0.01, 0, 0.7 * r, 0.7 * r)]
    body = loft([(-x, 0, 0.6 * r, 0.6 * r), (0, 0, r, r), (x, 0, 0.9 * r, 0.9 * r)], grey, n=14)
    return move(join(body, loft(mouth, 0.04, n=14)), by=at)


def _propeller(at: Point, radius: float) -> Mesh:
    blades = slab([(0, -0.05, -radius), (0, 0.05, -radius), (0, 0.05, radius), (0, -0.05, radius)], 0.02, 0.15)
    return move(join(turn(blades, "x", 35), ball((0.02, 0, 0), (0.08, 0.05, 0.05), 0.2)), by=at)


def _airliner(*, engines: int, length: float, hump: bool = False) -> Mesh:
    parts = [
        _fuselage(length, 0.13, 0.95),
        _tail(-0.95 * length, 0.06, 0.5),
        both_sides(_wing((0.3, 0.1, -0.05), (-0.35, 1.0, 0.05), (0.45, 0.14), 0.035, 0.75)),
    ]
    spots = [(0.15, 0.36), (-0.1, 0.66)][: engines // 2]
    parts.append(both_sides(*(_jet((x, y, -0.12), 0.24, 0.075) for x, y in spots)))
    if hump:
        back, front = (0.75 * length, 0.1, 0.09, 0.09), (0.9 * length, 0.02, 0.04, 0.03)
        parts.append(loft([(0.1, 0.1, 0.05, 0.02), (0.4, 0.11, 0.1, 0.1), back, front], 0.95))
    return join(*parts)


def _biplane() -> Mesh:
    posts = [(x, y) for x in (0.16, 0.4) for y in (0.25, 0.8)]
    gear = tube([(0.4, 0.1, -0.1), (0.42, 0.22, -0.36)], 0.02, 0.2, n=6)
    return join(
        loft([(-0.9, 0.04, 0.03, 0.05), (0.0, 0, 0.13, 0.15), (0.55, 0, 0.15, 0.16), (0.68, 0, 0.1, 0.1)], 0.45),
        *(both_sides(_wing((0.45, 0, z), (0.45, 1.0, z), (0.36, 0.36), 0.03, 0.85)) for z in (-0.1, 0.38)),
        both_sides(*(tube([(x, y, -0.1), (x, y, 0.38)], 0.018, 0.2, n=6) for x, y in posts)),
        both_sides(gear, wheel((0.42, 0.24, -0.36), 0.11, 0.05, 0.05)),
        _propeller((0.72, 0, 0), 0.34),
        _tail(-0.9, 0.05, 0.85, tall=0.26),
        ball((0.0, 0, 0.15), 0.08, 0.05),
    )


def _bomber() -> Mesh:
    engines = [
        join(_jet((0.28 - 0.1 * y, y, 0.0), 0.36, 0.07, 0.3), _propeller((0.49 - 0.1 * y, y, 0.0), 0.2))
        for y in (0.35, 0.68)
    ]
    return join(
        _fuselage(1.0, 0.13, 0.35, windows=False),
        both_sides(_wing((0.35, 0.1, 0.0), (0.2, 1.15, 0.08), (0.4, 0.18), 0.05, 0.35), *engines),
        _tail(-0.98, 0.06, 0.35, tall=0.42, span=0.45, chord=0.34),
        ball((0.98, 0, -0.02), 0.09, 0.08),
    )


def planes() -> dict[str, Mesh]:
    fighter = "-0.95 0 0.12 0.1; -0.2 0 0.17 0.13; 0.35 0.02 0.12 0.12; 0.85 -0.02 0.06 0.06; 1.2 -0.04 0.005 0.005"
    glider = "-0.95 0.06 0.025 0.03; -0.2 0.02 0.04 0.05; 0.2 0 0.09 0.11; 0.5 -0.02 0.08 0.09; 0.72 -0.05 0.01 0.01"
    light = "-0.95 0.08 0.03 0.04; -0.25 0.04 0.11 0.11; 0.1 0 0.15 0.17; 0.42 -0.04 0.13 0.13; 0.62 -0.05 0.08 0.08"
    return {
        "airliner": _airliner(engines=2, length=0.95),
        "biplane": _biplane(),
        "bomber": _bomber(),
        "business_jet": join(
            _fuselage(0.95, 0.11, 0.9),
            both_sides(
                _wing((0.05, 0.08, -0.07), (-0.35, 0.8, 0.0), (0.36, 0.12), 0.03, 0.7),
                _jet((-0.52, 0.18, 0.08), 0.3, 0.075, 0.5),
            ),
            _tail(-0.95, 0.06, 0.5, high=True, tall=0.36, span=0.32),
        ),
        "fighter": join(
            loft(rows(fighter).tolist(), 0.5),
            loft([(0.1, 0.1, 0.03, 0.02), (0.35, 0.13, 0.07, 0.09), (0.65, 0.06, 0.03, 0.03)], _GLASS),
            both_sides(
                _wing((0.3, 0.1, 0), (-0.65, 0.75, 0), (1.1, 0.15), 0.03, 0.45),
                _wing((-0.5, 0.1, 0.02), (-1.0, 0.42, 0.02), (0.4, 0.15), 0.03, 0.45),
                _wing((-0.4, 0.13, 0.08), (-0.85, 0.2, 0.48), (0.45, 0.18), 0.03, 0.55),
                tube([(-0.8, 0.77, 0), (-0.3, 0.77, 0)], 0.025, 0.9, n=6),
            ),
            _jet((-0.95, 0, 0), 0.14, 0.11, 0.1),
        ),
        "glider": join(
            loft(rows(glider).tolist(), 0.97),
            loft([(0.2, 0.07, 0.06, 0.05), (0.4, 0.06, 0.07, 0.06), (0.62, -0.01, 0.03, 0.03)], _GLASS),
            both_sides(_wing((0.2, 0, 0.08), (0.1, 1.6, 0.16), (0.22, 0.09), 0.03, 0.97)),
            _tail(-0.95, 0.06, 0.97, high=True, tall=0.26, span=0.3, chord=0.18),
        ),
        "jumbo": _airliner(engines=4, length=1.1, hump=True),
        "light_plane": join(
            loft(rows(light).tolist(), 0.92, power=3),
            loft([(-0.15, 0.13, 0.12, 0.09), (0.22, 0.12, 0.13, 0.1), (0.36, 0.06, 0.11, 0.03)], _GLASS, power=4),
            both_sides(
                _wing((0.25, 0, 0.24), (0.2, 1.1, 0.28), (0.33, 0.24), 0.035, 0.92),
                tube([(0.1, 0.13, -0.1), (0.1, 0.6, 0.24)], 0.018, 0.6, n=6),
                tube([(0.08, 0.1, -0.12), (0.08, 0.3, -0.32)], 0.02, 0.6, n=6),
                wheel((0.08, 0.31, -0.34), 0.09, 0.05, 0.05),
            ),
            wheel((0.5, 0, -0.32), 0.08, 0.05, 0.05),
            tube([(0.5, 0, -0.1), (0.5, 0, -0.32)], 0.02, 0.6, n=6),
            _propeller((0.66, 0, -0.05), 0.3),
            _tail(-0.95, 0.08, 0.6, tall=0.3),
        ),
    }
