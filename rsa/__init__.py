"""Representational similarity: activations, RDMs, their comparison, and teachers.

Names are imported when first used, so that `import tgsage.rsa` stays cheap; `__init__.pyi` lists them.
"""

if __name__ == "rsa":  # python-rsa owns that name, and half of the cloud tools import it
    raise ImportError("this folder is the package tgsage.rsa: import tgsage.rsa, not rsa")

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
