"""The 64 objects, 8 of each of HvM's 8 categories, in the pose that shows them best, and a scene packed of meshes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from ....rsa.types import Array
from .furniture import chairs, tables
from .living import animals, faces, fruits
from .meshes import Mesh, turn
from .vehicles import boats, cars, planes

VIEWS = {  # category -> builder, and the canonical view: degrees about the vertical and of tilt towards the viewer
    "animals": (animals, 55, 12),
    "boats": (boats, 60, 14),
    "cars": (cars, 50, 14),
    "chairs": (chairs, 35, 16),
    "faces": (faces, 0, 0),
    "fruits": (fruits, 0, 15),
    "planes": (planes, 50, 25),
    "tables": (tables, 30, 20),
}


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


@cache
def objects() -> tuple[Scene, tuple[str, ...]]:
    """The objects packed for `render`, by category and name, and the category of each."""
    meshes, categories = {}, []
    for category, (build, azimuth, tilt) in VIEWS.items():
        for name, mesh in sorted(build().items()):
            meshes[name] = turn(turn(mesh, "z", azimuth), "y", tilt)
            categories.append(category)
    return pack(meshes), tuple(categories)
