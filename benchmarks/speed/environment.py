"""The machine that a measurement ran on, and optional packages that only benchmarks need."""

import os
import platform
import shlex
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...rsa import RSAError

_CLEAR_REFS = Path("/proc/self/clear_refs")


def optional(module: str) -> Any:
    """Import a package of the extra `bench`. Raises RSAError naming the extra if it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise RSAError(f"this benchmark needs {package}: python -m pip install 'tgsage[bench]'") from error


def environment() -> dict[str, Any]:
    """Processor, cores, memory, threads, the BLAS kernels in use, and versions beyond those of every result file.

    Call it after the work: it lists the BLAS libraries that are loaded.
    """
    import numba
    import torch

    pools = optional("threadpoolctl").threadpool_info()
    blas = [
        {"library": Path(pool["filepath"]).name, "kernel": pool.get("architecture"), "threads": pool["num_threads"]}
        for pool in pools
        if pool["user_api"] == "blas"
    ]
    return {
        "processor": processor(),
        "platform": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(_memory() / 1e9, 1),
        "blas": blas,
        "openblas_coretype": os.environ.get("OPENBLAS_CORETYPE"),
        "numba_threads": numba.get_num_threads(),
        "numba_layer": _layer(numba),
        "torch_threads": torch.get_num_threads(),
        "peers": {name: version(name) for name in ("rsatoolbox", "threadpoolctl")},
    }


def machine() -> str:
    """Processor and number of cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{processor()}, {cores} cores"


def command(name: str) -> str:
    """The command line `tgsage NAME ...` of this process, or `tgsage NAME` if another program runs it."""
    here = sys.argv[1:2] == name.split()[:1]
    return shlex.join(["tgsage", *sys.argv[1:]]) if here else f"tgsage {name}"


def summary(found: dict[str, Any]) -> str:
    """One line about an `environment()`."""
    kernels = sorted({str(pool["kernel"]) for pool in found["blas"]})
    forced = f", OPENBLAS_CORETYPE={found['openblas_coretype']}" if found["openblas_coretype"] else ""
    return f"{found['processor']}, {found['cores']} cores, BLAS kernel {'/'.join(kernels)}{forced}"


def peak_memory() -> int:
    """Peak resident memory of this process so far, in bytes."""
    if seen := _status("VmHWM"):  # getrusage counts what the parent process held when it started this one
        return seen
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def resident_memory() -> int:
    """Resident memory now, in bytes; the peak so far where the system does not tell."""
    return _status("VmRSS") or peak_memory()


def peak_of(call: Callable[[], object]) -> int:
    """Peak resident memory while `call` runs, in bytes; the peak so far where the system cannot reset it."""
    if _CLEAR_REFS.exists():
        _CLEAR_REFS.write_text("5")  # resets VmHWM, see proc(5)
    call()
    return peak_memory()


def _status(key: str) -> int:
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def _layer(numba: Any) -> str | None:
    try:
        return str(numba.threading_layer())
    except ValueError:  # no compiled loop has run yet
        return None


def processor() -> str:
    """The name of the processor, as the system reports it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if sys.platform != "win32" else 0
