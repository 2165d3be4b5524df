"""Eight animals; eight heads and shoulders, which look along x; and eight fruits, a slice of watermelon among them."""

import numpy as np

from .meshes import Mesh, Point, ball, both_sides, circle, join, lathe, loft, move, paint, rows, slab, table, tube, turn

_QUADRUPEDS = table("""
    name      grey  length  girth  legs  leg   neck x, z   throat  head x, y, z    muzzle  snout  ears x, y, z    tail
    bear      0.22  1.0     0.36   0.38  0.14  0.28  0.12  0.24    0.24 0.22 0.23  0.18    0.11   0.04 0.08 0.09  0.05
    cow       0.9   1.2     0.33   0.45  0.09  0.3   0.12  0.16    0.2  0.15 0.17  0.22    0.13   0.04 0.14 0.05  0.6
    dog       0.8   0.8     0.2    0.4   0.06  0.18  0.22  0.13    0.18 0.15 0.16  0.2     0.08   0.01 0.01 0.01  -0.35
    elephant  0.45  1.0     0.42   0.55  0.15  0.3   0.1   0.28    0.27 0.27 0.3   0       0.1    0.01 0.01 0.01  0.5
    giraffe   0.85  0.75    0.22   0.85  0.06  0.42  0.95  0.1     0.16 0.1  0.11  0.18    0.07   0.03 0.05 0.09  0.45
    lion      0.7   1.2     0.25   0.42  0.09  0.2   0.16  0.16    0.2  0.17 0.19  0.14    0.1    0.03 0.05 0.09  0.45
    zebra     0.5   1.0     0.24   0.65  0.06  0.35  0.42  0.13    0.17 0.11 0.14  0.3     0.09   0.03 0.05 0.09  0.6
""")


def _quadruped(name: str) -> Mesh:
    """A four-legged body; `neck` is how far the head lies before and above the chest."""
    grey, length, girth, legs, leg, neck_x, neck_z, throat, *rest = _QUADRUPEDS[name]
    head, (muzzle, snout), ears, tail = rest[:3], rest[3:5], rest[5:8], rest[8]
    x, z = length / 2, legs + 0.7 * girth
    spine = [(-x, 0, z), (-0.3 * x, 0, z - 0.03), (0.4 * x, 0, z), (x, 0, z + 0.04)]
    body = tube(spine, [0.85 * girth, girth, girth, 0.9 * girth], grey, n=16)
    y, knee = 0.6 * girth, legs / 2
    limbs = both_sides(
        tube([(-x, y, z), (-x - 0.06, y, knee), (-x, y, leg / 2)], [1.5 * leg, leg, 0.8 * leg], grey),
        tube([(0.9 * x, y, z), (0.9 * x, y, knee), (0.95 * x, y, leg / 2)], [1.4 * leg, leg, 0.8 * leg], grey),
        *(ball((foot, y, 0.5 * leg), (1.3 * leg, leg, 0.6 * leg), grey) for foot in (-x + 0.02, 0.95 * x + 0.03)),
    )
    fx, fz = x + neck_x, z + 0.4 * girth + neck_z
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
    back, root = -x - girth, (-x - 0.7 * girth, 0, z + 0.3 * girth)
    end = [root, (back - 0.3 * tail, 0, z - 0.2 * tail), (back - 0.35 * tail, 0, z - tail)]
    return join(body, limbs, front, tube(end, [0.05, 0.035, 0.04], 0.8 * grey))


def animals() -> dict[str, Mesh]:
    cow = paint(
        _quadruped("cow"),
        lambda x, y, z: np.sin(6 * x + 1) * np.cos(7 * y + 1) + np.sin(6 * z + 9 * x * y) > 0.15,
        0.08,
        0.95,
    )
    horns = both_sides(tube([(0.86, 0.12, 1.02), (0.86, 0.26, 1.1), (0.9, 0.28, 1.24)], [0.04, 0.035, 0.015], 0.9))
    flaps = both_sides(tube([(0.52, 0.12, 0.97), (0.5, 0.19, 0.9), (0.52, 0.21, 0.7)], [0.05, 0.07, 0.08], 0.25))
    trunk = rows("1.0 0 1.0; 1.22 0 0.8; 1.28 0 0.5; 1.28 0 0.25; 1.4 0 0.12")
    ears = move(turn(ball((0, 0, 0), (0.05, 0.32, 0.4), 0.38), "z", 28), by=(0.72, 0.48, 1.0))
    tusks = tube([(1.08, 0.15, 0.85), (1.3, 0.2, 0.62), (1.5, 0.2, 0.62)], [0.05, 0.04, 0.015], 1.0)
    giraffe = paint(
        _quadruped("giraffe"),
        lambda x, y, z: (np.sin(19 * x + 3 * np.sin(5 * z)) * np.sin(17 * z + 2 * np.sin(7 * y)) > 0.12) & (z > 0.45),
        0.25,
        0.95,
    )
    mane = [ball((0.72, 0, 0.86), (0.17, 0.36, 0.4), 0.25), ball((0.55, 0, 0.75), (0.28, 0.33, 0.38), 0.25)]
    shell = paint(
        ball((0, 0, 0.25), (0.8, 0.62, 0.42), 0.3, n=72),
        lambda x, y, z: (np.abs(np.sin(5 * x)) < 0.2) | (np.abs(np.sin(5 * y)) < 0.2) | (z < 0.2),
        0.85,
        0.3,
        cuts=0,
    )
    flippers = both_sides(
        tube([(0.5, 0.45, 0.15), (0.75, 0.75, 0.08), (0.7, 0.95, 0.02)], [0.14, 0.12, 0.1], 0.6),
        tube([(-0.5, 0.4, 0.15), (-0.75, 0.65, 0.05)], [0.13, 0.1], 0.6),
        ball((1.2, 0.1, 0.42), 0.035, 0.02),
    )
    head = tube([(0.7, 0, 0.2), (1.1, 0, 0.36)], [0.13, 0.15], 0.6)
    zebra = paint(_quadruped("zebra"), lambda x, y, z: np.sin(24 * (x + 0.35 * z) + 3 * np.sin(3 * z)) > 0.0, 0.06, 1.0)
    return {
        "bear": _quadruped("bear"),
        "cow": join(cow, horns, ball((-0.4, 0, 0.4), (0.16, 0.14, 0.14), 0.85)),
        "dog": join(_quadruped("dog"), flaps, ball((-0.1, 0.1, 0.62), (0.24, 0.14, 0.14), 0.25)),
        "elephant": join(
            _quadruped("elephant"), tube(trunk, [0.17, 0.13, 0.1, 0.08, 0.06], 0.45), both_sides(ears, tusks)
        ),
        "giraffe": join(giraffe, both_sides(tube([(0.77, 0.05, 2.1), (0.74, 0.07, 2.27)], [0.025, 0.035], 0.2))),
        "lion": join(_quadruped("lion"), *mane, ball((-1.0, 0, 0.2), (0.07, 0.07, 0.12), 0.2)),
        "turtle": join(shell, flippers, head, tube([(-0.75, 0, 0.15), (-1.0, 0, 0.08)], [0.08, 0.02], 0.6)),
        "zebra": join(zebra, tube([(0.5, 0, 1.2), (0.72, 0, 1.42)], 0.06, 0.1)),
    }


# height, backwards, half width, half depth
_SKULL = rows(
    "-0.86 -0.3 0.1 0.16; -0.82 -0.27 0.22 0.27; -0.68 -0.2 0.36 0.42; -0.45 -0.1 0.48 0.54; -0.15 0 0.57 0.67;"
    "0.15 0.02 0.61 0.7; 0.45 0.03 0.6 0.69; 0.7 0.05 0.49 0.57; 0.85 0.05 0.3 0.36; 0.9 0.05 0.06 0.08"
)


def _face(
    style: str = "short",
    *,
    skin: float = 0.75,
    hair: float = 0.12,
    wide: float = 1.0,
    tall: float = 1.0,
    nose: float = 1.0,
    mouth: float = 1.0,
    beard: bool = False,
    glasses: bool = False,
    lines: bool = False,
) -> Mesh:
    """A head 1.6 high with its eyes at 0.12; `wide`, `tall`, `nose` and `mouth` scale, the rest says what it wears."""
    w, t = wide, tall
    head = join(
        turn(loft([(h * t, back, y * w, x) for h, back, y, x in _SKULL], skin, n=32), "y", -90),
        tube([(-0.15, 0, -0.5), (-0.2, 0, -1.15)], [0.3, 0.34], 0.92 * skin, n=16),
        loft([(-0.6, -1.2, 0.5, 0.2), (-0.2, -1.15, 0.9, 0.3), (0.2, -1.2, 0.6, 0.22)], 0.3),
    )
    middle = join(
        tube([(0.68, 0, 0.18), (0.78 + 0.06 * nose, 0, -0.1)], [0.05, 0.09], skin),
        ball((0.74 + 0.07 * nose, 0, -0.13), (0.1, 0.12 * nose, 0.09), skin),
        loft([(0.56, -0.46 * t, 0.2 * mouth, 0.07), (0.66, -0.46 * t, 0.12 * mouth, 0.05)], 0.4 * skin),
        loft([(0.55, -0.46 * t, 0.2 * mouth, 0.015), (0.68, -0.46 * t, 0.1 * mouth, 0.012)], 0.05),
    )
    eyes = both_sides(
        ball((0.57, 0.25 * w, 0.12), (0.1, 0.125, 0.075), 1.0),
        ball((0.645, 0.25 * w, 0.12), (0.04, 0.058, 0.062), 0.02),
        tube([(0.64, 0.1 * w, 0.29), (0.64, 0.26 * w, 0.34), (0.56, 0.42 * w, 0.28)], [0.03, 0.04, 0.02], 0.8 * hair),
        ball((-0.05, 0.64 * w, -0.02), (0.12, 0.07, 0.19), 0.9 * skin),
        ball((0.55, 0.15 * w, -0.13), (0.02, 0.02, 0.02), skin),
    )
    parts = [head, middle, eyes]
    if style != "bald":
        parts.append(ball((-0.13, 0, 0.3), (0.72, 0.68 * w, 0.74 * t), hair, n=28))
    if style == "long":
        lock = [(-0.1, 0.58 * w, 0.3), (-0.05, 0.68 * w, -0.3), (-0.1, 0.72 * w, -0.95)]
        parts.append(both_sides(tube(lock, [0.2, 0.2, 0.16], hair)))
    if style == "bun":
        parts.append(ball((-0.2, 0, 1.12 * t), 0.27, hair))
    if style == "curly":
        angle = np.linspace(-0.25 * np.pi, 1.25 * np.pi, 13)
        parts += [ball((-0.05, 0.74 * w * np.cos(a), 0.3 + 0.66 * t * np.sin(a)), 0.24, hair, n=10) for a in angle]
    if beard:
        parts.append(ball((0.12, 0, -0.56 * t), (0.56, 0.52 * w, 0.42), hair, n=24))
        parts.append(loft([(0.6, -0.33 * t, 0.24, 0.05), (0.68, -0.33 * t, 0.16, 0.05)], hair))
        parts.append(loft([(0.6, -0.46 * t, 0.15, 0.06), (0.69, -0.46 * t, 0.1, 0.05)], 0.45 * skin))
    if glasses:
        angle = np.linspace(0, 2 * np.pi, 17)
        ring = [(0.72, 0.25 * w + 0.17 * np.cos(a), 0.12 + 0.14 * np.sin(a)) for a in angle]
        temple = [(0.7, 0.42 * w, 0.14), (0, 0.64 * w, 0.14)]
        parts.append(both_sides(tube(ring, 0.025, 0.05, n=6), tube(temple, 0.025, 0.05, n=6)))
        parts.append(tube([(0.74, -0.09, 0.14), (0.74, 0.09, 0.14)], 0.025, 0.05, n=6))
    if lines:
        parts.append(both_sides(tube([(0.66, 0.16, -0.2), (0.6, 0.28, -0.42)], 0.012, 0.5 * skin, n=5)))
    return join(*parts)


def faces() -> dict[str, Mesh]:
    return {
        "face_1": _face(),
        "face_2": _face("long", skin=0.85, hair=0.3, nose=0.7, wide=0.95),
        "face_3": _face("bald", skin=0.6, hair=0.1, wide=1.08, nose=1.3, lines=True),
        "face_4": _face(beard=True, skin=0.7, hair=0.2, nose=1.2),
        "face_5": _face("curly", skin=0.4, hair=0.06, mouth=1.25, nose=1.2),
        "face_6": _face("bun", skin=0.8, hair=0.75, glasses=True, nose=0.8, lines=True),
        "face_7": _face(skin=0.92, hair=0.6, wide=1.12, tall=0.92, nose=0.8, glasses=True),
        "face_8": _face("long", skin=0.45, hair=0.05, wide=0.9, tall=1.06, mouth=1.1),
    }


def _stalk(at: Point, lean: float = 0.15, tall: float = 0.35, grey: float = 0.15) -> Mesh:
    x, y, z = at
    return tube([at, (x, y + 0.3 * lean, z + 0.5 * tall), (x, y + lean, z + tall)], [0.05, 0.04, 0.05], grey)


def _leaf(at: Point, towards: Point, wide: float, grey: float) -> Mesh:
    a, b = np.asarray(at, np.float64), np.asarray(towards, np.float64)
    side = np.cross(b - a, (1.0, 0.0, 0.3))
    side *= wide / np.linalg.norm(side)
    middle = (a + b) / 2
    return slab([a, middle + side, b, middle - side], 0.02, grey)


_APPLE = rows(
    "0 0.62; 0.12 0.68; 0.3 0.82; 0.55 0.84; 0.82 0.62; 0.93 0.25; 0.88 -0.2; 0.7 -0.6; 0.48 -0.8; 0.28 -0.82;"
    "0.12 -0.74; 0 -0.7"
)
_PEAR = rows("0 -0.85; 0.3 -0.85; 0.6 -0.68; 0.74 -0.38; 0.7 -0.05; 0.5 0.25; 0.36 0.5; 0.3 0.75; 0.18 0.9; 0 0.92")
_PINEAPPLE = rows("0 -1; 0.35 -0.97; 0.55 -0.75; 0.62 -0.35; 0.6 0.05; 0.48 0.4; 0.25 0.58; 0 0.6")
_STRAWBERRY = rows("0 -0.95; 0.12 -0.92; 0.35 -0.62; 0.62 -0.1; 0.74 0.3; 0.62 0.6; 0.3 0.72; 0 0.7")


def _banana() -> Mesh:
    path: list[Point] = [(0.0, 1.2 * np.sin(a), -1.2 * np.cos(a)) for a in np.linspace(-1.1, 1.1, 13)]
    radii = [0.06, 0.1, 0.2, 0.25, 0.27, 0.28, 0.28, 0.28, 0.27, 0.25, 0.19, 0.09, 0.07]
    end = tube([path[-1], (0, 1.22, -0.42)], [0.07, 0.08], 0.3)
    return join(tube(path, radii, 0.92, n=6), end, ball(path[0], 0.08, 0.15))


def _grapes() -> Mesh:
    rng = np.random.default_rng(3)
    twig = tube([(0, -0.25, 1.1), (0, 0.3, 1.15)], 0.05, 0.2)
    parts = [_stalk((0, 0, 0.75), 0.1, 0.4), twig, _leaf((0, 0.05, 0.95), (0.2, 0.75, 0.9), 0.3, 0.55)]
    for level, count in enumerate((7, 8, 7, 5, 4, 3, 1)):
        angles = [2 * np.pi * (k / count + 0.37 * level) for k in range(count)]
        for place in circle(0.11 * (count - 1) * 0.85, 0.62 - 0.29 * level, angles):
            parts.append(ball(np.array(place) + rng.normal(0, 0.025, 3), 0.23, 0.32, n=12))
        if count > 4:
            parts.append(ball((0, 0, 0.62 - 0.29 * level), 0.35, 0.2, n=10))
    return join(*parts)


def _pineapple() -> Mesh:
    body = paint(
        lathe(_PINEAPPLE, 0.6, n=48),
        lambda x, y, z: np.abs(np.sin(4 * np.arctan2(y, x) + 7 * z) * np.sin(4 * np.arctan2(y, x) - 7 * z)) < 0.22,
        0.18,
        0.85,
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
    seeds = []
    for level, (z, r) in enumerate(((-0.62, 0.36), (-0.32, 0.52), (-0.02, 0.66), (0.28, 0.74), (0.52, 0.67))):
        angles = [2 * np.pi * (k + 0.5 * level) / 9 for k in range(9)]
        seeds += [ball(place, 0.04, 1.0, n=6) for place in circle(r, z, angles)]
    tips = circle(0.72, 0.66, np.linspace(0, 2 * np.pi, 7)[:-1])
    crown = [_leaf((0, 0, 0.72), tip, 0.17, 0.75) for tip in tips]
    return join(lathe(_STRAWBERRY, 0.4, n=24), *seeds, *crown, _stalk((0, 0, 0.7), 0.1, 0.3, 0.7))


def _watermelon() -> Mesh:
    """A slice: half a disc of pulp with a pale and a dark rind, and seeds on both faces."""

    def rim(r: float) -> list[Point]:
        return [(0.0, r * np.cos(a), r * np.sin(a)) for a in np.linspace(np.pi, 2 * np.pi, 17)]

    seeds = []
    for r, count in ((0.5, 5), (0.75, 7)):
        for a in np.linspace(np.pi * 1.12, np.pi * 1.88, count):
            seeds += [ball((x, r * np.cos(a), r * np.sin(a)), (0.03, 0.035, 0.055), 0.02, n=6) for x in (-0.2, 0.2)]
    pulp = [slab([(0, 0, 0), rim(0.94)[i], rim(0.94)[i + 1]], 0.38, 0.5) for i in range(16)]
    return join(*pulp, tube(rim(0.99), 0.19, 0.95, n=8), tube(rim(1.07), 0.2, 0.2, n=8), *seeds)


def fruits() -> dict[str, Mesh]:
    apple_leaf = _leaf((0, 0.05, 0.95), (0.15, 0.6, 1.2), 0.16, 0.35)
    pear_leaf = _leaf((0, 0.02, 1.0), (0.1, -0.5, 1.2), 0.15, 0.4)
    cherries = [ball((0, y, z), 0.42, 0.3, n=20) for y, z in ((-0.5, -0.5), (0.45, -0.62))]
    cherries += [
        tube([(0, y, z), (0, 0.7 * y, 0.3), (0, 0.1, 0.95)], 0.035, 0.75) for y, z in ((-0.5, -0.15), (0.45, -0.27))
    ]
    return {
        "apple": join(lathe(_APPLE, 0.55, n=28), _stalk((0, 0, 0.62), 0.12, 0.5), apple_leaf),
        "banana": _banana(),
        "cherries": join(*cherries, _leaf((0, 0.1, 0.95), (0.15, 0.85, 0.8), 0.2, 0.55)),
        "grapes": _grapes(),
        "pear": join(lathe(_PEAR, 0.82, n=28), _stalk((0, 0, 0.9), 0.12, 0.35), pear_leaf),
        "pineapple": _pineapple(),
        "strawberry": _strawberry(),
        "watermelon": _watermelon(),
    }
