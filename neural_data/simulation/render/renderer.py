"""A software renderer: triangles, a depth buffer, one lamp and the sky, in grey.

Each image is drawn by one thread from its own inputs, so the bytes do not depend on the number of threads.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ....rsa.errors import RSAError
from ....rsa.types import Array
from . import _kernels
from .meshes import Mesh, rotation

RADIUS = 0.53  # of an object of size 1, in halves of the image's width
LAMP = np.array([0.55, -0.45, 0.70]) / np.linalg.norm([0.55, -0.45, 0.70])  # above, before and left of the object


@dataclass(frozen=True)
class Scene:
    """Meshes packed for the kernel; mesh i owns vertices[first_vertex[i]:first_vertex[i + 1]] and so do its faces."""

    vertices: Array
    normals: Array
    grey: Array
    faces: Array
    first_vertex: Array
    first_face: Array
    names: tuple[str, ...]


def pack(meshes: Mapping[str, Mesh]) -> Scene:
    """Centre every mesh, scale it and give its vertices the mean normal of their faces.

    Scaled to 1 is the geometric mean of the largest distance from the centre and the surface's root mean square
    distance, so that spindly things come out longer than compact ones.
    """
    vertices, normals = [], []
    for mesh in meshes.values():
        used = mesh.vertices[np.unique(mesh.faces)]
        centred = mesh.vertices - (used.min(axis=0) + used.max(axis=0)) / 2
        corner = centred[mesh.faces]
        across = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        area, spread = np.linalg.norm(across, axis=1), (corner.mean(axis=1) ** 2).sum(axis=1)
        spread = np.sqrt(np.average(spread, weights=area))
        placed = centred / np.sqrt(spread * np.linalg.norm(centred, axis=1).max())
        total = np.zeros_like(placed)
        for k in range(3):
            np.add.at(total, mesh.faces[:, k], across)
        vertices.append(placed)
        normals.append(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12))
    return Scene(
        np.vstack(vertices),
        np.vstack(normals),
        np.concatenate([mesh.grey for mesh in meshes.values()]),
        np.vstack([mesh.faces for mesh in meshes.values()]).astype(np.int64),
        np.cumsum([0] + [len(mesh.vertices) for mesh in meshes.values()]),
        np.cumsum([0] + [len(mesh.faces) for mesh in meshes.values()]),
        tuple(meshes),
    )


def render(
    scene: Scene,
    which: Array,
    backgrounds: Array,
    *,
    size: Array | float = 1.0,
    ty: Array | float = 0.0,
    tz: Array | float = 0.0,
    rxy: Array | float = 0.0,
    rxz: Array | float = 0.0,
    ryz: Array | float = 0.0,
) -> Array:
    """n grey images (n, pixels, pixels) uint8 of one object each, over its background.

    which (n,): number of the mesh in the scene. backgrounds (n, pixels, pixels), 0 black to 1 white.
    size: 1 makes the object about half as wide as the image; ty, tz: its place to the right and upwards, in halves of
    the image's width; rxy, rxz, ryz: degrees of turning about the vertical, of tilting towards the viewer, and of
    turning in the image plane (counterclockwise).

    Raises RSAError for backgrounds that are not square, one per image, and for numbers of no mesh.
    """
    which = np.asarray(which, np.int64)
    n = len(which)
    if backgrounds.ndim != 3 or backgrounds.shape[0] != n or backgrounds.shape[1] != backgrounds.shape[2]:
        raise RSAError(f"{n} objects need backgrounds of shape ({n}, pixels, pixels), got {backgrounds.shape}")
    if n and not 0 <= which.min() <= which.max() < len(scene.names):
        raise RSAError(f"the scene has meshes 0 to {len(scene.names) - 1}, asked were {which.min()} to {which.max()}")
    turns = [rotation(axis, np.broadcast_to(a, n)) for axis, a in (("z", rxy), ("y", rxz), ("x", ryz))]
    out = np.empty(backgrounds.shape, np.uint8)
    _kernels.draw(
        scene.vertices,
        scene.normals,
        scene.grey,
        scene.faces,
        scene.first_vertex,
        scene.first_face,
        which,
        turns[2] @ turns[1] @ turns[0],
        RADIUS * np.broadcast_to(np.asarray(size, np.float64), n),
        np.broadcast_to(np.asarray(ty, np.float64), n),
        np.broadcast_to(np.asarray(tz, np.float64), n),
        LAMP,
        np.ascontiguousarray(backgrounds, np.float32),
        out,
    )
    return out
