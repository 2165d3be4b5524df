"""Memory that is kept while networks are shown images, seen from the system: faults and resident pages of a process."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from tgsage.rsa.networks.memory import _glibc, memory_kept

BYTES = 3 * 2**25
PAGES = BYTES // 4096
LOOK = """
import json, resource
import torch
from tgsage.rsa.networks.memory import memory_kept

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    return int(open("/proc/self/statm").read().split()[1])

def rounds():
    for _ in range(16):  # holes may take the first
        before = faults()
        torch.ones({bytes} // 4)
        made = faults() - before
    return made

found = {{"before": rounds()}}
with memory_kept():
    with memory_kept():
        rounds()
    found["kept"], found["held"] = rounds(), resident()
found["resident"] = resident()
print(json.dumps(found))
"""
on_glibc = pytest.mark.skipif(_glibc() is None or not sys.platform.startswith("linux"), reason="memory is not glibc's")


def look(**environment: str) -> Any:
    code = LOOK.format(bytes=BYTES)
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={**os.environ, **environment}
    )
    return json.loads(done.stdout)


@on_glibc
def test_pages_are_cleared_once_inside_and_returned_afterwards() -> None:
    found = look()
    assert found["before"] > 0.9 * PAGES
    assert found["kept"] < 0.1 * PAGES
    assert found["held"] - found["resident"] > 0.9 * PAGES


@on_glibc
def test_the_environment_decides() -> None:
    found = look(MALLOC_TRIM_THRESHOLD_="1000000")
    assert found["kept"] > 0.9 * PAGES


def test_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgsage.rsa.networks.memory._glibc", lambda: None)
    with memory_kept():
        assert torch.ones(3).sum() == 3


def test_an_error_inside_ends_the_block() -> None:
    from tgsage.rsa.networks import memory

    with pytest.raises(ValueError, match="inside"), memory_kept():
        raise ValueError("inside")
    assert memory._blocks == 0
