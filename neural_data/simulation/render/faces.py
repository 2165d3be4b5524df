"""Eight heads and shoulders, which look along x."""

import numpy as np

from .meshes import Mesh, ball, both_sides, join, loft, tube, turn


def _face(
    *,
    skin: float = 0.75,
    hair: float = 0.12,
    style: str = "short",
    wide: float = 1.0,
    tall: float = 1.0,
    nose: float = 1.0,
    mouth: float = 1.0,
    beard: bool = False,
    glasses: bool = False,
    age: float = 0.0,
) -> Mesh:
    """A head 1.6 high with its eyes at 0.12; `wide`, `tall`, `nose` and `mouth` scale, the rest says what it wears."""
    w, t = wide, tall
    skull = [  # height, backwards, half width, half depth
        (-0.86, -0.3, 0.1, 0.16), (-0.82, -0.27, 0.22, 0.27), (-0.68, -0.2, 0.36, 0.42), (-0.45, -0.1, 0.48, 0.54),
        (-0.15, 0.0, 0.57, 0.67), (0.15, 0.02, 0.61, 0.7), (0.45, 0.03, 0.6, 0.69), (0.7, 0.05, 0.49, 0.57),
        (0.85, 0.05, 0.3, 0.36), (0.9, 0.05, 0.06, 0.08),
    ]  # fmt: skip
    head = join(
        turn(loft([(h * t, back, y * w, x) for h, back, y, x in skull], skin, n=32), "y", -90),
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
        parts.append(
            both_sides(
                tube([(-0.1, 0.58 * w, 0.3), (-0.05, 0.68 * w, -0.3), (-0.1, 0.72 * w, -0.95)], [0.2, 0.2, 0.16], hair)
            )
        )
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
        parts.append(
            both_sides(
                tube(ring, 0.025, 0.05, n=6), tube([(0.7, 0.42 * w, 0.14), (0, 0.64 * w, 0.14)], 0.025, 0.05, n=6)
            )
        )
        parts.append(tube([(0.74, -0.09, 0.14), (0.74, 0.09, 0.14)], 0.025, 0.05, n=6))
    if age:
        parts.append(both_sides(tube([(0.66, 0.16, -0.2), (0.6, 0.28, -0.42)], 0.012, 0.5 * skin, n=5)))
    return join(*parts)


def faces() -> dict[str, Mesh]:
    return {
        "face_1": _face(),
        "face_2": _face(style="long", skin=0.85, hair=0.3, nose=0.7, wide=0.95),
        "face_3": _face(style="bald", skin=0.6, hair=0.1, wide=1.08, nose=1.3, age=1),
        "face_4": _face(beard=True, skin=0.7, hair=0.2, nose=1.2),
        "face_5": _face(style="curly", skin=0.4, hair=0.06, mouth=1.25, nose=1.2),
        "face_6": _face(style="bun", skin=0.8, hair=0.75, glasses=True, nose=0.8, age=1),
        "face_7": _face(style="short", skin=0.92, hair=0.6, wide=1.12, tall=0.92, nose=0.8, glasses=True),
        "face_8": _face(style="long", skin=0.45, hair=0.05, wide=0.9, tall=1.06, mouth=1.1),
    }
