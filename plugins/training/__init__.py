"""Training: data sets, recipes, the loop with its checkpoints, and the accuracy that came of it.

Names are imported when first used; `__init__.pyi` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
