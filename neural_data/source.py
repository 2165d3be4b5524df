"""The model that is asked for: ready layers, or a network that is loaded when one of its images is needed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..rsa import RDM, Features, RSAError
from ..rsa.errors import kind_of, refuse
from ..rsa.networks.models import decided, described, load_model
from .layers import is_file_of_layers

if TYPE_CHECKING:
    import torch

    from ..rsa.networks.cache import LayerCache
    from ..rsa.networks.models import Preprocess


@dataclass(frozen=True)
class Source:
    """A model that was asked for: ready layers, or a network with its preprocessing.

    make: gives the network, which is loaded by it if it is `named`. key: what decides a named one, where that is known
    without loading it; known: the `model_digest` that an earlier run has noted under this key.
    """

    name: str
    ready: Any = None
    make: "Callable[[], tuple[torch.nn.Module, Preprocess | None]] | None" = None
    named: bool = False
    key: str = ""
    known: str = ""

    @classmethod
    def of(
        cls,
        model: Any,
        weights: "str | Path | None" = None,
        preprocess: "Preprocess | None" = None,
        cache: "LayerCache | None" = None,
    ) -> "Source":
        """Load a model that is given by name, unless the cache knows it. Raises RSAError as `score` does."""
        ready = isinstance(model, Mapping | RDM | Features) or is_file_of_layers(model)
        if not (ready or isinstance(model, str) or hasattr(model, "named_modules")) or isinstance(model, type):
            kinds = "a name, a torch module, ready RDMs or Features, or a file of these"
            raise RSAError(f"model must be {kinds}, got {kind_of(model)}")
        if ready:
            what = "is for a network, and its features or RDMs are given"
            refuse({"weights": weights, "preprocess": preprocess}, what)
            return cls(str(model) if isinstance(model, str | Path) else "", ready=model)
        if isinstance(model, str):
            refuse({"preprocess": preprocess}, f"is for a module, and {model} has its own")
            key = "" if cache is None or not cache.limit else decided(model, weights)
            known = None if cache is None else cache.note(key)
            source = cls(model, make=partial(load_model, model, weights), named=True, key=key, known=known or "")
            if not known:
                source.load()
            return source
        refuse({"weights": weights}, "is for a model given by name; load the state dict into the module")
        return cls(type(model).__name__, make=lambda: (model, preprocess))

    @property
    def is_network(self) -> bool:
        return self.make is not None

    @cached_property
    def _made(self) -> Any:
        return (None, None) if self.make is None else self.make()

    def load(self) -> None:
        """Load a named network now, so that what is wrong with its name is said before anything that takes long."""
        _ = self._made

    @property
    def module(self) -> "torch.nn.Module":
        module: torch.nn.Module = self._made[0]
        return module

    @property
    def preprocess(self) -> "Preprocess | None":
        """Of the network; a named one is not loaded before there is an image to prepare."""
        own: Preprocess | None = (lambda image: self._made[1](image)) if self.named else self._made[1]
        return own

    @cached_property
    def digest(self) -> str:
        """What decides the numbers of a named network."""
        from ..rsa.networks.cache import model_digest

        return self.known or model_digest(self.name, self.module, described(self._made[1]))
