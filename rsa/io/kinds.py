"""What a file is, by its first bytes, whatever its name says."""

import zipfile
from pathlib import Path

from ..errors import RSAError, reason
from .hdf5 import attribute, opened

TABLES = ("csv", "parquet", "excel")
OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SIGNS = {
    OLD_EXCEL: "excel",
    b"\x93NUMPY": "npy",
    b"PAR1": "parquet",
    b"MATLAB 5.0": "mat",
    b"CDF": "netcdf3",
} | dict.fromkeys((b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3"), "hdf5")
_HEAD = 352  # bytes
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")
_SAVE = "save one row per stimulus with its names as .npz or a table"
_OTHERS = {
    b"\x1f\x8b": "compressed by gzip; unpack it first",
    b"SQLite format 3": f"an SQLite database; {_SAVE}",
    b"\x89PNG": "an image; images go into a folder (--stimuli)",
    b"\xff\xd8\xff": "an image; images go into a folder (--stimuli)",
    b"%PDF": f"a PDF; {_SAVE}",
    b"NEURALEV": "raw electrophysiology (Blackrock); sort its spikes and convert it to NWB",
    b"BREVENTS": "raw electrophysiology (Blackrock); sort its spikes and convert it to NWB",
    b"NEURALCD": "raw electrophysiology (Blackrock); sort its spikes and convert it to NWB",
    b"BRSMPGRP": "raw electrophysiology (Blackrock); sort its spikes and convert it to NWB",
    b"\x02\x27\x91\xc6": "raw electrophysiology (Intan); sort its spikes and convert it to NWB",
    b"PLEX": "raw electrophysiology (Plexon); sort its spikes and convert it to NWB",
    b"RDX": f"data of R; {_SAVE}",
    b"X\n\0\0": f"data of R; {_SAVE}",
    b"{": f"JSON; {_SAVE}",
    b"[": f"JSON; {_SAVE}",
}


def content_of(path: Path) -> str:
    """What a path holds: folder, hdf5, netcdf3, npy, npz, zip, mat, csv, parquet, excel, or "" for anything else."""
    if path.is_dir():
        return "folder"
    start = _start(path)[:16]
    if start.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise RSAError(f"{path} cannot be read as a zip archive: {reason(error)}") from error
        if "xl/workbook.xml" in names:
            return "excel"
        return "npz" if names and all(name.endswith(".npy") for name in names) else "zip"
    return next((kind for sign, kind in _SIGNS.items() if start.startswith(sign)), "csv" if _is_csv(path) else "")


def _is_csv(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            first = file.read(2**16).decode("utf-8-sig", "strict" if path.stat().st_size < 2**16 else "ignore")
    except (OSError, UnicodeDecodeError):
        return False
    line = first.splitlines()[0] if first else ""
    return line.replace("\t", " ").isprintable() and any(sign in line for sign in ",;\t")


def what_is(path: Path) -> str:
    """What a file is that is not read, and what to do with it, in a few words."""
    kind = content_of(path)
    if kind == "folder":
        pictures = any(one.suffix.lower() in _PICTURES for one in path.iterdir())
        return "a folder of images; --stimuli takes it" if pictures else "a folder; name a file in it"
    if kind == "zip":
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("data.pkl") for name in archive.namelist()):
                return "a checkpoint of torch; --weights takes it, with the model that it belongs to"
        return "a zip archive; unpack it first"
    if kind == "hdf5":
        with opened(path) as file:
            if version := attribute(file, "nwb_version"):
                return f"an NWB {version} file"
        return "a MATLAB 7.3 file" if is_matlab(path) else "an HDF5 file"
    if kind:
        return {"mat": "a MATLAB 5 file", "netcdf3": "a netCDF3 file"}.get(kind, f"{kind} data")
    start = _start(path)
    if start[344:348] in (b"n+1\0", b"ni1\0") or path.name.endswith((".nii", ".nii.gz")):
        return f"a NIfTI image; {_SAVE}, the voxels of a region as columns"
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return f"a pickle, which can run code when it is read; {_SAVE}"
    if start[8:10] == b'{"':
        return "weights of a model (safetensors); --weights takes it, with the model that they belong to"
    if path.name.lower().endswith((".rda", ".rdata", ".rds")):
        return f"data of R; {_SAVE}"
    if path.suffix.lower() == ".mat" and start[:1] in (b"\0", b"\x0a", b"\xe8"):
        return "perhaps a MATLAB 4 file; save it with -v7 or -v7.3"
    known = next((words for sign, words in _OTHERS.items() if start.startswith(sign)), "")
    if known or not start:
        return known or "empty"
    text = start.decode(errors="ignore")
    if len(text.encode()) > len(start) - 4 and "".join(text.split()).isprintable():  # 4: a letter cut at the end
        return "a text without columns; a table has them, separated by commas or tabs"
    return f"of no kind that is known here (it begins with {start[:12]!r}); {_SAVE}"


def is_matlab(path: Path) -> bool:
    """Whether MATLAB wrote it: its HDF5 has axes in MATLAB's order."""
    return not path.is_dir() and _start(path).startswith(b"MATLAB")


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError as error:
        raise RSAError(f"{path} cannot be read: {error.strerror or error}") from error
