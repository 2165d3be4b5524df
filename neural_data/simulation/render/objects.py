"""The 64 objects: 8 of each of HvM's 8 categories, in the pose that shows them best."""

from functools import cache

from .animals import animals
from .boats import boats
from .cars import cars
from .chairs import chairs
from .faces import faces
from .fruits import fruits
from .meshes import turn
from .planes import planes
from .renderer import Scene, pack
from .tables import tables

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


@cache
def objects() -> tuple[Scene, tuple[str, ...]]:
    """The objects packed for `render`, by category and name, and the category of each."""
    meshes, categories = {}, []
    for category, (build, azimuth, tilt) in VIEWS.items():
        for name, mesh in sorted(build().items()):
            meshes[name] = turn(turn(mesh, "z", azimuth), "y", tilt)
            categories.append(category)
    return pack(meshes), tuple(categories)
