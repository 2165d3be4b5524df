"""Result files (JSON) of the experiments, read as those of a stranger."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..rsa import RSAError
from ..rsa.errors import reason


@contextmanager
def reading_results(path: str | Path, kind: str, what: str) -> Iterator[dict[str, Any]]:
    """What a result file of this kind holds besides its kind.

    what: its name in messages. Raises RSAError naming the file where it is missing or something else, also for what is
    missing or odd in it when the block takes it apart.
    """
    try:
        kept = json.loads(Path(path).read_text(encoding="utf-8"))
        if kept.pop("kind") != kind:
            raise RSAError(f"{path} holds no {what}")
        yield kept
    except RSAError:
        raise
    except OSError as error:
        raise RSAError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RSAError(f"{path} holds no {what}: {reason(error)}") from error
