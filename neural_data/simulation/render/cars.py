"""Eight cars, which drive along x."""

from .meshes import Mesh, Point, both_sides, box, join, loft, move, slab, tube, turn, wheel

GLASS = 0.06


def _car(
    grey: float,
    *,
    length: float = 2.0,
    wide: float = 0.42,
    waist: float = 0.5,
    roof: Point = (-0.55, 0.15),
    screens: Point = (-0.85, 0.5),
    tall: float = 0.34,
    nose: float = 0.85,
    tail: float = 0.9,
    tyres: float = 0.19,
    power: float = 6.0,
    cabin: bool = True,
) -> Mesh:
    """A body between the bumpers, a glass house with pillars and a roof, four wheels and lights.

    `roof` and `screens`: where the roof, and the glass at the waist, begin and end, from -1 (rear) to 1 (front).
    """
    x, low = length / 2, 0.16
    mid = (waist + low) / 2
    body = loft(
        [
            (-x, mid, 0.88 * wide, (waist - low) / 2 * 0.7),
            (-0.96 * x, mid * tail + 0.03, 0.97 * wide, (waist - low) / 2 * tail),
            (-0.5 * x, mid, wide, (waist - low) / 2),
            (0.45 * x, mid, wide, (waist - low) / 2),
            (0.94 * x, mid * nose + 0.02, 0.95 * wide, (waist - low) / 2 * nose),
            (x, mid * nose, 0.85 * wide, (waist - low) / 2 * 0.65),
        ],
        grey,
        power=power,
    )
    parts = [body]
    if cabin:
        r0, r1, s0, s1 = (x * v for v in (*roof, *screens))
        inner, top, z0, z1 = 0.9 * wide, 0.74 * wide, waist - 0.02, waist + tall
        parts += [
            _house(s0, s1, r0, r1, inner, top, z0, z1, GLASS),
            _house(r0 - 0.03, r1 + 0.03, r0, r1, top + 0.02, top, z1 - 0.03, z1 + 0.03, grey),
        ]
        middle = (r0 + r1) / 2
        for bottom, up in ((s0, r0), (s1, r1), ((s0 + s1) / 2, middle)):
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


def _convertible() -> Mesh:
    seats = both_sides(
        box((-0.28, 0.17, 0.5), (0.12, 0.24, 0.3), 0.12), box((-0.12, 0.17, 0.47), (0.3, 0.24, 0.05), 0.12)
    )
    screen = slab([(0.3, -0.36, 0.44), (0.3, 0.36, 0.44), (0.12, 0.32, 0.7), (0.12, -0.32, 0.7)], 0.02, 0.25)
    hole = box((-0.12, 0, 0.455), (0.75, 0.66, 0.02), 0.05)
    return join(_car(0.85, length=1.95, waist=0.46, cabin=False, nose=0.82), seats, screen, hole)


def _jeep() -> Mesh:
    body = _car(
        0.4, length=1.6, waist=0.6, roof=(-0.9, 0.12), screens=(-0.95, 0.2), tall=0.38, nose=1.0, tail=1.0, tyres=0.24,
        power=12,
    )  # fmt: skip
    return join(body, move(turn(wheel((0, 0, 0), 0.2, 0.1, 0.05), "z", 90), by=(-0.86, 0, 0.55)))


def _pickup() -> Mesh:
    return join(
        _car(0.5, length=2.1, waist=0.53, roof=(-0.1, 0.2), screens=(-0.15, 0.48), tall=0.36, nose=0.95, tyres=0.22),
        box((-0.56, 0, 0.53), (0.78, 0.72, 0.06), 0.08),
        both_sides(box((-0.56, 0.39, 0.56), (0.86, 0.05, 0.14), 0.5)),
        box((-0.97, 0, 0.56), (0.05, 0.8, 0.14), 0.5),
    )


def _sports_car() -> Mesh:
    body = _car(
        0.7, wide=0.46, waist=0.4, roof=(-0.35, 0.0), screens=(-0.9, 0.5), tall=0.22, nose=0.65, tyres=0.2, power=4,
    )  # fmt: skip
    struts = both_sides(box((-0.88, 0.3, 0.45), (0.05, 0.04, 0.14), 0.1))
    return join(body, struts, box((-0.9, 0, 0.53), (0.2, 0.86, 0.03), 0.6))


def cars() -> dict[str, Mesh]:
    return {
        "convertible": _convertible(),
        "hatchback": _car(0.6, length=1.6, roof=(-0.75, 0.15), screens=(-0.95, 0.55), tall=0.36, waist=0.52),
        "jeep": _jeep(),
        "limousine": _car(0.1, length=2.9, roof=(-0.65, 0.3), screens=(-0.78, 0.48), tall=0.3, waist=0.48),
        "minibus": _car(0.92, length=1.9, waist=0.55, roof=(-0.93, 0.55), screens=(-0.97, 0.88), tall=0.45, nose=0.95),
        "pickup": _pickup(),
        "sedan": _car(0.8),
        "sports_car": _sports_car(),
    }
