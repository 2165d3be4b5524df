"""Compiled code is kept where that is possible, and otherwise compiled again: slower, said once, never an error."""

import subprocess
import sys
from pathlib import Path

import numba
import pytest
from numba.core import caching
from tgsage.rsa import compiling


def double(x):  # type: ignore[no-untyped-def]
    return 2 * x


@pytest.fixture(autouse=True)
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_told", [])
    if numba.njit(double) is double:  # NUMBA_DISABLE_JIT
        pytest.skip("nothing is compiled")


def test_without_a_place_for_it_code_is_compiled_and_that_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    with pytest.warns(UserWarning, match="code cannot be kept, .* no locator available .*; set NUMBA_CACHE_DIR"):
        compiled = compiling.njit()(double)
    again = compiling.njit(nogil=True)(double)  # a second warning were an error here
    assert (compiled(3), again(4)) == (6, 8)


@pytest.mark.parametrize("when", ["load_overload", "save_overload"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), EOFError("Ran out of input")])
def test_a_full_disk_and_a_damaged_cache_cost_time_only(
    when: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise error

    compiled = compiling.njit()(double)
    monkeypatch.setattr(compiled._cache._cache, "load_overload", lambda *_: None)  # whatever an earlier run has kept
    monkeypatch.setattr(compiled._cache._cache, when, failing)
    with pytest.warns(UserWarning, match=f"compiled code cannot be kept, .*{error.args[-1]}"):
        assert compiled(3) == 6
    assert compiled(3.5) == 7.0


def test_what_is_kept_is_found_again() -> None:
    for _ in range(2):
        compiled = compiling.njit()(double)
        assert compiled(3) == 6
    assert sum(compiled.stats.cache_hits.values()) == 1


@pytest.mark.slow
def test_the_package_works_without_any_cache() -> None:
    script = """
import warnings
from numba.core import caching
caching.CacheImpl._locator_classes = []
with warnings.catch_warnings(record=True) as caught:
    import numpy as np
    import tgsage.neural_data.reliability._kernels as ours
    from tgsage.rsa import compute_rdm
    values = compute_rdm(np.array([[1.0, 2, 4], [3, 1, 2], [2, 4, 9]])).values
    out = np.zeros((1, 1), np.int64)
    ours.count_valid(np.ones((2, 1)), np.arange(2), np.array([0, 2]), out)
print(len([one for one in caught if "compiled" in str(one.message)]), out[0, 0], *values.round(6))
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.split()[:2] == ["1", "2"]
    assert len(found.stdout.split()) == 5


def test_no_kernel_goes_around_it() -> None:
    package = Path(compiling.__file__).parents[1]
    layers = ("rsa", "neural_data", "plugins", "benchmarks")
    sources = [path for layer in layers for path in (package / layer).rglob("*.py")]
    texts = {path.name: path.read_text() for path in sources if path.name != "compiling.py"}
    assert [name for name, text in texts.items() if "numba import njit" in text or "numba.njit" in text] == []
