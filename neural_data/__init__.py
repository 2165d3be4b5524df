"""Recordings of macaque visual cortex and their stimuli: readers, schema, reliability, simulation.

Names are imported when first used, so that `import tgsage.neural_data` stays cheap; `__init__.pyi` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
