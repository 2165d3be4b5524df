"""Triangle meshes from a few primitives, enough to build animals, vehicles and furniture.

Axes: x towards the viewer (the front of a thing), y to the viewer's right, z up. Lengths have no unit: `pack`
scales finished objects. `grey` is the reflectance, 0 black to 1 white.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ....rsa.types import Array

Point: TypeAlias = Sequence[float] | Array
Points: TypeAlias = Sequence[Point] | Array


def rows(text: str) -> Array:
    """A table of numbers, its rows separated by semicolons."""
    return np.array([row.split() for row in text.split(";")], np.float64)


def table(text: str) -> dict[str, list[float]]:
    """Rows of numbers by name, below a line that names the columns."""
    _, *lines = text.strip().splitlines()
    return {name: [float(number) for number in numbers] for name, *numbers in map(str.split, lines)}


def circle(radius: float, z: float, angles: Iterable[float]) -> list[Point]:
    """Points round the vertical axis."""
    return [(radius * np.cos(a), radius * np.sin(a), z) for a in angles]


class Mesh(NamedTuple):
    """vertices (n, 3), faces (m, 3) as vertex numbers in either winding, grey (n,)."""

    vertices: Array
    faces: Array
    grey: Array


def join(*parts: Mesh) -> Mesh:
    """Several meshes as one."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    faces = [part.faces + start for part, start in zip(parts, starts, strict=False)]
    return Mesh(np.vstack([p.vertices for p in parts]), np.vstack(faces), np.concatenate([p.grey for p in parts]))


def move(mesh: Mesh, *, by: Point = (0, 0, 0), scale: float | Point = 1.0) -> Mesh:
    return mesh._replace(vertices=mesh.vertices * np.asarray(scale) + np.asarray(by))


def rotation(axis: str, degrees: npt.ArrayLike) -> Array:
    """The (..., 3, 3) matrix that turns column vectors about x, y or z, right-handed."""
    angle = np.radians(np.asarray(degrees, np.float64))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., [0, 1, 2], [0, 1, 2]] = 1.0
    matrix[..., i, i] = matrix[..., j, j] = np.cos(angle)
    matrix[..., j, i] = np.sin(angle)
    matrix[..., i, j] = -matrix[..., j, i]
    return matrix


def turn(mesh: Mesh, axis: str, degrees: float) -> Mesh:
    return mesh._replace(vertices=mesh.vertices @ rotation(axis, degrees).T)


def both_sides(*parts: Mesh) -> Mesh:
    """The parts and their mirror images in the plane y = 0."""
    mesh = join(*parts)
    return join(mesh, move(mesh, scale=(1, -1, 1)))


def paint(
    mesh: Mesh, pattern: Callable[[Array, Array, Array], Array], marked: float, rest: float, *, cuts: int = 2
) -> Mesh:
    """Two greys, by what `pattern(x, y, z)` says at every vertex; first every face is cut in four, `cuts` times."""
    for _ in range(cuts):
        mesh = fine(mesh)
    return mesh._replace(grey=np.where(pattern(*mesh.vertices.T), marked, rest))


def _skin(rings: Array, grey: float) -> Mesh:
    """A closed skin over (rings, points, 3), each end closed by a flat fan with an edge of its own."""
    m, n = rings.shape[:2]
    a = np.arange(n)
    b = np.roll(a, -1)
    quads = [np.column_stack((i * n + a, i * n + b, i * n + n + a)) for i in range(m - 1)]
    quads += [np.column_stack((i * n + b, i * n + n + b, i * n + n + a)) for i in range(m - 1)]
    skin = Mesh(rings.reshape(-1, 3), np.vstack(quads), np.full(m * n, grey))
    fan = np.column_stack((a, b, np.full(n, n)))
    ends = [np.vstack((ring, ring.mean(axis=0))) for ring in rings[[0, -1]] if np.ptp(ring, axis=0).max() > 1e-6]
    return join(skin, *(Mesh(end, fan, np.full(n + 1, grey)) for end in ends))


def _circle(n: int) -> tuple[Array, Array]:
    angle = 2 * np.pi * np.arange(n) / n
    return np.cos(angle), np.sin(angle)


def lathe(profile: Points, grey: float, *, at: Point = (0, 0, 0), n: int = 20) -> Mesh:
    """A profile of (radius, height) turned about the vertical through `at`."""
    cos, sin = _circle(n)
    rings = np.array([np.column_stack((r * cos, r * sin, np.full(n, h))) for r, h in profile])
    return _skin(rings + np.asarray(at), grey)


def ball(at: Point, radii: float | Point, grey: float, *, n: int = 16) -> Mesh:
    """An ellipsoid."""
    angle = np.linspace(0, np.pi, n // 2 + 1)
    return move(lathe(np.column_stack((np.sin(angle), -np.cos(angle))).tolist(), grey, n=n), by=at, scale=radii)


def wheel(at: Point, radius: float, width: float, grey: float, *, hub: float = 0.75) -> Mesh:
    """A disc that rolls along x, with a hub of its own grey on both faces."""
    tyre = lathe([(radius, -width / 2), (radius, width / 2)], grey)
    cap = lathe([(0.55 * radius, -0.54 * width), (0.55 * radius, 0.54 * width)], hub, n=12)
    return move(turn(join(tyre, cap), "x", 90), by=at)


def tube(points: Points, radii: float | Sequence[float], grey: float, *, n: int = 10) -> Mesh:
    """A round limb along a path of points, thicker and thinner as `radii` say, with rounded ends."""
    path = np.asarray(points, np.float64)
    thick = np.broadcast_to(np.asarray(radii, np.float64), len(path))
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along[0], np.eye(3)[np.argmin(np.abs(along[0]))])
    cos, sin = _circle(n)
    rings = []
    for centre, direction, radius in zip(path, along, thick, strict=True):
        side = side - direction * (side @ direction)
        side /= np.linalg.norm(side)
        rings.append(centre + radius * (np.outer(cos, side) + np.outer(sin, np.cross(direction, side))))
    caps = [
        [
            path[i] + sign * along[i] * thick[i] * up + (rings[i] - path[i]) * wide
            for up, wide in ((0.7, 0.7), (1.0, 0.0))
        ]
        for i, sign in ((0, -1), (-1, 1))
    ]
    return _skin(np.array([*caps[0][::-1], *rings, *caps[1]]), grey)


def loft(stations: Points, grey: float, *, power: float = 2.0, deck: bool = False, n: int = 24) -> Mesh:
    """A body along x through stations (x, z, half width, half height): fuselages, hulls, car bodies, heads.

    Sections are superellipses (power 2 round, 6 nearly a box); `deck` keeps their lower half only, flat above.
    """
    cos, sin = _circle(n)
    y = np.sign(cos) * np.abs(cos) ** (2 / power)
    z = np.sign(sin) * np.abs(sin) ** (2 / power)
    z = np.minimum(z, 0.0) if deck else z
    rings = [np.column_stack((np.full(n, x), wide * y, height + tall * z)) for x, height, wide, tall in stations]
    return _skin(np.array(rings), grey)


def slab(corners: Points, thickness: float, grey: float) -> Mesh:
    """A flat plate over 3 or 4 corners, in order round it: wings, sails, table tops, windows."""
    flat = np.asarray(corners, np.float64)
    normal = np.cross(flat[1] - flat[0], flat[-1] - flat[0])
    normal *= thickness / 2 / np.linalg.norm(normal)
    n = len(flat)
    sides = [np.array([flat[i], flat[(i + 1) % n]]) for i in range(n)]
    plates = [flat + normal, flat - normal, *(np.vstack((s - normal, s[::-1] + normal)) for s in sides)]
    fans = [np.array([(0, i, i + 1) for i in range(1, len(plate) - 1)]) for plate in plates]
    return join(*(Mesh(p, fan, np.full(len(p), grey)) for p, fan in zip(plates, fans, strict=True)))


def panel(low: Point, high: Point, thickness: float, grey: float) -> Mesh:
    """A plate across y = 0, from the edge that ends at `low` (x, y, z) up to the edge that ends at `high`."""
    (x, y, z), (top_x, top_y, top_z) = low, high
    return slab([(x, -y, z), (x, y, z), (top_x, top_y, top_z), (top_x, -top_y, top_z)], thickness, grey)


def box(at: Point, size: Point, grey: float, *, top: float | Point = 1.0) -> Mesh:
    """A block with centre `at`; `top` scales the upper face in x and y (1 = as the lower one)."""
    (dx, dy, dz), (tx, ty) = np.asarray(size) / 2, np.broadcast_to(np.asarray(top), 2)
    low = [(-dx, -dy, -dz), (dx, -dy, -dz), (dx, dy, -dz), (-dx, dy, -dz)]
    high = [(x * tx, y * ty, dz) for x, y, _ in low]
    sides = [[low[i], low[(i + 1) % 4], high[(i + 1) % 4], high[i]] for i in range(4)]
    quad = np.array([(0, 1, 2), (0, 2, 3)])
    plates = [Mesh(np.array(plate), quad, np.full(4, grey)) for plate in (low, high, *sides)]
    return move(join(*plates), by=at)


def fine(mesh: Mesh) -> Mesh:
    """Every face cut in four, so that a pattern of greys has somewhere to go."""
    edges = np.sort(np.vstack([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), axis=1)
    unique, place = np.unique(edges, axis=0, return_inverse=True)
    ab, bc, ca = place.reshape(3, -1) + len(mesh.vertices)
    a, b, c = mesh.faces.T
    faces = np.vstack([np.column_stack(t) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    vertices = np.vstack((mesh.vertices, mesh.vertices[unique].mean(axis=1)))
    return Mesh(vertices, faces, np.concatenate((mesh.grey, mesh.grey[unique].mean(axis=1))))


def legs(x: float, y: float, z: float, radius: float, grey: float, *, splay: float = 0.0, taper: float = 0.8) -> Mesh:
    """Four legs from (+-x, +-y, z) to the floor."""
    return both_sides(
        *(tube([(s * x, y, z), (s * (x + splay), y + splay, 0)], [radius, taper * radius], grey, n=8) for s in (-1, 1))
    )
