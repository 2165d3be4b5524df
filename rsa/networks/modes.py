"""Evaluation mode that several threads can share."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from torch import nn

from ..errors import RSAError


@dataclass
class _Use:
    """training: the mode to restore. users: (thread, whether it needs the module alone) of everyone who has it now."""

    training: bool
    users: list[tuple[int, bool]] = field(default_factory=list)


_lock = threading.Lock()
_used: "WeakKeyDictionary[nn.Module, _Use]" = WeakKeyDictionary()


@contextmanager
def evaluation_mode(model: nn.Module, *, alone: bool = False) -> Iterator[None]:
    """Inside the block the model is in evaluation mode; the last thread to leave restores the mode of every module.

    alone: no other thread may use the model meanwhile, since more than its mode is changed.
    Raises RSAError if another thread uses the model, or a part of it, and one of the two needs it alone.
    """
    modules, me = list(model.modules()), (threading.get_ident(), alone)
    with _lock:
        users = [user for module in modules if module in _used for user in _used[module].users]
        if any(thread != me[0] and (alone or needs_it_alone) for thread, needs_it_alone in users):
            raise RSAError("the model is in use by another thread; wait for it, or give every thread a copy of its own")
        for module in modules:
            _used.setdefault(module, _Use(module.training)).users.append(me)
    try:
        with _lock:
            model.eval()
        yield
    finally:
        with _lock:
            for module in modules:
                use = _used[module]
                use.users.remove(me)
                if not use.users:
                    module.training = use.training
                    del _used[module]
