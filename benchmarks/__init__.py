"""Speed against peers, and tests of the claims made for teachers.

Names are imported when first used, so that `import tgsage.benchmarks` stays cheap; `__init__.pyi` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
