"""Any of our spaces as an expression that hyperopt can sample."""

from collections.abc import Mapping
from typing import Any

from hyperopt import hp
from hyperopt.pyll import scope

from ..spaces.space import Dimension, Space


def space_of(space: Space) -> Any:
    """The `space=` argument of `hyperopt.fmin`; the function that fmin minimises receives canonical architectures.

    Every dimension is one `hp.choice` of its name, shared by all choices of its parent under which it is active, so
    that hyperopt draws and learns from active dimensions only (a flat space would draw all of them).
    """
    nodes: dict[str, Any] = {}

    def node(dimension: Dimension) -> Any:
        if dimension.name not in nodes:
            children = [child for child in space.dimensions if child.parent == dimension.name]
            options = [
                {dimension.name: choice, **{child.name: node(child) for child in children if choice in child.when}}
                for choice in dimension.choices
            ]
            nodes[dimension.name] = hp.choice(dimension.name, options)
        return nodes[dimension.name]

    roots = {dimension.name: node(dimension) for dimension in space.dimensions if not dimension.parent}
    return scope.tgsage_architecture(space, roots)


def tgsage_architecture(space: Space, tree: Mapping[str, Any]) -> dict[str, Any]:
    """hyperopt evaluates this: a dimension's name leads to its choice and, under their names, to its children."""

    def flat(branch: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in branch.items():
            found |= flat(value) if isinstance(value, Mapping) else {name: value}
        return found

    return space.canonical(flat(tree))


scope.define(tgsage_architecture)
