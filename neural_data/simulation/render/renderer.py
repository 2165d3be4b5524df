"""A software renderer: triangles, a depth buffer, one lamp and the sky, in grey.

Each image is drawn by one thread from its own inputs, so the bytes do not depend on the number of threads.
"""

import numpy as np

from ....rsa.errors import RSAError
from ....rsa.types import Array
from . import _kernels
from .meshes import rotation
from .scene import Scene

RADIUS = 0.53  # of an object of size 1, in halves of the image's width
LAMP = np.array([0.55, -0.45, 0.70]) / np.linalg.norm([0.55, -0.45, 0.70])  # above, before and left of the object


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
    meshes = scene.vertices, scene.normals, scene.grey, scene.faces, scene.first_vertex, scene.first_face
    sizes, right, up = (np.broadcast_to(np.asarray(values, np.float64), n) for values in (size, ty, tz))
    back = np.ascontiguousarray(backgrounds, np.float32)
    _kernels.draw(*meshes, which, turns[2] @ turns[1] @ turns[0], RADIUS * sizes, right, up, LAMP, back, out)
    return out
