"""Download of the files of a data set: complete and with a verified checksum, or not at all."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from ...rsa import RSAError
from ...rsa.errors import reason
from .datasets import DataFile, Dataset
from .lookup import data_folder, find, obtain

TIMEOUT = 30  # seconds without an answer
_CHUNK = 2**18

Report = Callable[[str, int, int], object]


def fetch(name: str, *, data_dir: str | Path | None = None, report: Report | None = None) -> dict[Path, bool]:
    """Download the missing files of a data set into the data folder.

    A file appears under its name once it is complete and its checksum is verified; existing files are checked and kept.

    Parameters
    ----------
    name : str
        A name of the catalogue.
    data_dir : str or Path, optional
        See `load`.
    report : callable, optional
        Called with (file name, bytes so far, total bytes or 0) during downloads.

    Returns
    -------
    dict of Path to bool
        Whether each file was downloaded by this call.

    Raises
    ------
    RSAError
        For an unknown name, a file without a public link, an existing file with other content, and failed downloads.
    """
    dataset = find(name)
    if dataset is None:
        raise RSAError(f"{name} is a file; fetch takes a name of the catalogue")
    if not dataset.files:
        raise RSAError(f"{name} is not downloaded: load('{name}') makes it")
    folder = data_folder(data_dir)
    unlinked = [file for file in dataset.files if not file.url and not (folder / file.path).is_file()]
    if unlinked:
        missing = ", ".join(str(folder / file.path) for file in unlinked)
        raise RSAError(f"{name} has no public link: {obtain(dataset)}; its place is {missing}")
    return dict(_fetch_file(file, folder, dataset, report) for file in dataset.files)


def _fetch_file(file: DataFile, folder: Path, dataset: Dataset, report: Report | None = None) -> tuple[Path, bool]:
    """Where one file lies, and whether it was downloaded; not if it was there already."""
    import pooch

    path = next(
        (folder / place for place in (file.path, *file.older) if (folder / place).is_file()), folder / file.path
    )
    algorithm, _, expected = file.checksum.partition(":")
    if path.is_file():
        if expected and pooch.file_hash(str(path), alg=algorithm) != expected:
            raise RSAError(
                f"{path} is not the published file ({algorithm} differs); move it away to fetch {dataset.name}"
            )
        return path, False
    if not expected:
        raise RSAError(f"{file.url} has no known checksum, so it is not downloaded; get it from {dataset.source}")
    _download(file, path, dataset.source, report or (lambda *_: None))
    return path, True


def _download(file: DataFile, path: Path, source: str, report: Report) -> None:
    import pooch
    from requests import exceptions

    pooch.get_logger().setLevel("ERROR")
    host, stream = urlsplit(file.url).netloc, _Stream(file, report)
    try:
        pooch.retrieve(file.url, file.checksum, fname=path.name, path=path.parent, downloader=stream)
    except RSAError:
        raise
    except exceptions.HTTPError as error:
        moved = f"; if the file has moved, {source} says where it is"
        raise RSAError(f"{host} refuses: {reason(error)}; nothing was written{moved}") from error
    except exceptions.Timeout as error:
        raise RSAError(f"{host} did not answer within {TIMEOUT:g} s; nothing was written, try again later") from error
    except exceptions.RequestException as error:
        if stream.done:
            raise RSAError(f"the connection to {host} broke off during {path.name}; nothing was written") from error
        raise RSAError(f"{host} cannot be reached to fetch {path.name}; is there a network connection?") from error
    except ValueError as error:
        kind = file.checksum.partition(":")[0]
        raise RSAError(
            f"{file.url} is not the published file ({kind} differs), see {source}; nothing was written"
        ) from error
    except OSError as error:
        raise RSAError(f"cannot write {path}: {error.strerror or reason(error)}") from error


class _Stream:
    """Downloader for pooch, which stops at more than the published size."""

    def __init__(self, file: DataFile, report: Report) -> None:
        self.file, self.report, self.done = file, report, 0

    def __call__(self, url: str, output: str, _: object) -> None:
        import requests

        with requests.get(url, stream=True, timeout=TIMEOUT) as answer, Path(output).open("wb") as out:
            answer.raise_for_status()
            total = self.file.size or int(answer.headers.get("Content-Length", 0))
            for chunk in answer.iter_content(_CHUNK):
                self.done += len(chunk)
                if self.file.size and self.done > self.file.size:
                    raise RSAError(f"{url} sends more than the {total} bytes that were published; nothing was written")
                out.write(chunk)
                self.report(Path(self.file.path).name, self.done, total)
