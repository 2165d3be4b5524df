"""The front door of tgsage: `tgsage.score` and the names most often needed; everything else is in its four packages.

Names are imported when first used, so that `import tgsage` stays cheap; `__init__.pyi` lists them.
"""

import lazy_loader

_lazy, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("tgsage")
    return _lazy(name)
