"""Search plug-ins: spaces, networks, training, the objective P + alpha TG, searchers, and the loop that joins them.

Names are imported when first used, so that `import tgsage.plugins` stays cheap; `__init__.pyi` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
