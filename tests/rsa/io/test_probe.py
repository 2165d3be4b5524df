"""Another process reads a file first: it stays, it survives what a file does to it, and it looks again at changes."""

import os
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest
from tgsage.rsa.io import probe


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "x.h5", "w") as made:
        made["numbers"] = np.arange(10)
        made["texts"] = ["a", "b"]
        made["loop"] = made["/"]  # a group that holds itself
        made["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
        made.attrs["unit"] = "Hz"
    return tmp_path / "x.h5"


def process() -> int:
    running = probe._reader(os.getpid())._process
    return 0 if running is None else running.pid


def test_one_process_reads_all_files(file: Path, tmp_path: Path) -> None:
    assert probe.flaw(file) == ""
    first = process()
    (tmp_path / "y.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    assert probe.flaw(tmp_path / "y.h5")
    assert process() == first != 0


def test_a_file_is_read_again_when_it_changed(file: Path) -> None:
    assert probe.flaw(file) == ""
    file.write_bytes(file.read_bytes()[:1000])
    assert "truncated" in probe.flaw(file)


def test_a_process_that_was_killed_is_started_again(file: Path, tmp_path: Path) -> None:
    assert probe.flaw(file) == ""
    first = process()
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    (tmp_path / "y.h5").write_bytes(file.read_bytes())
    assert probe.flaw(tmp_path / "y.h5") == ""
    assert process() not in (0, first)


def test_what_takes_too_long_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_SECONDS", 1)
    os.mkfifo(tmp_path / "pipe.h5")  # opening it waits for somebody who writes
    assert probe.flaw(tmp_path / "pipe.h5") == "libhdf5 hangs over its bytes"


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probe.flaw(tmp_path / "x.h5")
