"""Children of an architecture by network morphisms, and their weights from the parent's."""

from typing import TYPE_CHECKING

import numpy as np

from ...rsa import RSAError
from ..spaces.space import Architecture, Choice, Space
from .families import family_of

if TYPE_CHECKING:
    from torch import Tensor

    from .weights import Weights


def morphs(space: Space, architecture: Architecture) -> list[dict[str, Choice]]:
    """List the children that one morphism makes of an architecture.

    A child can compute what its parent does, given the weights of `inherited`: it has one more layer, more filters, a
    larger kernel, one more connection or one more operation.

    Parameters
    ----------
    space : Space
    architecture : mapping

    Returns
    -------
    list of dict
        Canonical and all different; empty for a space without morphisms and for the largest network of a space.

    References
    ----------
    Wei et al. 2016, Network morphism, ICML. Chen, Goodfellow & Shlens 2016, Net2Net, ICLR. Elsken, Metzen & Hutter
    2018, Simple and efficient architecture search for convolutional neural networks, ICLR workshop.

    Examples
    --------
    >>> from tgsage.plugins import morphs
    >>> from tgsage.plugins.spaces import get_space
    >>> cell = dict.fromkeys(["0-1", "0-2", "1-2", "1-3", "2-3"], "none") | {"0-3": "conv1x1"}
    >>> morphs(get_space("nasbench201"), cell)[0]["0-3"]
    'conv3x3'
    """
    family, start = family_of(space), space.canonical(architecture)
    children = map(space.canonical, family.children(start)) if family is not None else ()
    found = {space.key(child): child for child in children}
    found.pop(space.key(start), None)
    return list(found.values())


def morph(space: Space, architecture: Architecture, rng: np.random.Generator, times: int = 1) -> dict[str, Choice]:
    """Draw a child by `times` morphisms in a row.

    Parameters
    ----------
    space : Space
    architecture : mapping
    rng : numpy.random.Generator
    times : int
        Fewer are applied where no further one is possible.

    Returns
    -------
    dict
        Canonical.

    Raises
    ------
    RSAError
        Where not even one is possible.
    """
    family, child = family_of(space), space.canonical(architecture)
    for done in range(times):
        drawn = None if family is None else family.draw(child, rng)
        if drawn is None and done == 0:
            raise RSAError(f"no morphism of {space.name} leads further from this architecture")
        if drawn is None:
            break
        child = space.canonical(drawn)
    return child


def preserves(space: Space, parent: Architecture, child: Architecture) -> bool:
    """Tell whether a child can compute what its parent does, with the weights of `inherited`.

    Parameters
    ----------
    space : Space
    parent, child : mapping

    Returns
    -------
    bool
    """
    family = family_of(space)
    return family is not None and family.preserves(space.canonical(parent), space.canonical(child))


def inherited(
    space: Space, parent: Architecture, child: Architecture, weights: "Weights", fresh: "Weights"
) -> "dict[str, Tensor]":
    """Make a child's weights from its parent's.

    Where the child `preserves` the parent, it gives the parent's outputs in evaluation mode, and with the statistics of
    a batch as well, unless a layer with batch normalisation was inserted, since such a layer normalises whatever it is
    given. Otherwise the child keeps what fits: the layers and operations that both have, cropped where they became
    smaller.

    Parameters
    ----------
    space : Space
    parent, child : mapping
    weights, fresh : mapping
        State dicts: the parent's, and that of the child as it was built, from which new weights are taken.

    Returns
    -------
    dict
        The child's state dict.
    """
    from .weights import same_shapes

    family = family_of(space)
    if family is None:
        return same_shapes(weights, fresh)
    return family.weights(space.canonical(parent), space.canonical(child), weights, fresh)
