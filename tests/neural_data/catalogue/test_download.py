"""Fetching from a server on this machine: whole and right, or one line of words and nothing on disk."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tgsage.neural_data.catalogue import download
from tgsage.neural_data.catalogue import lookup as catalogue
from tgsage.neural_data.catalogue.datasets import DataFile, Dataset
from tgsage.rsa import RSAError

CONTENT = bytes(range(256)) * 4096  # 1 MiB


class Handler(BaseHTTPRequestHandler):
    """`/good.npy` sends all; `/broken.npy` promises all and sends half; `/silent.npy` nothing; others are not there."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if self.path == "/silent.npy":
            self.server.waiting.wait(5)  # type: ignore[attr-defined]
            return
        if self.path not in ("/good.npy", "/broken.npy"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if self.path == "/good.npy" else CONTENT[: len(CONTENT) // 2])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.asked, http.waiting = [], threading.Event()  # type: ignore[attr-defined]
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield http
        http.waiting.set()  # type: ignore[attr-defined]
        http.shutdown()
        thread.join()


def register(monkeypatch: pytest.MonkeyPatch, server: ThreadingHTTPServer, name: str, **fields: object) -> DataFile:
    """A data set called "test" with one file of this name on the server."""
    url = f"http://127.0.0.1:{server.server_port}/{name}"
    given = {"url": url, "size": len(CONTENT), "checksum": f"sha256:{hashlib.sha256(CONTENT).hexdigest()}", **fields}
    file = DataFile(f"folder/{name}", **given)  # type: ignore[arg-type]
    dataset = Dataset("test", "recording", "a test", "the test's source", "none", "none", file)
    monkeypatch.setattr(catalogue, "DATASETS", (dataset,))
    return file


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
def test_a_good_file_arrives_whole_once_and_is_reported(
    algorithm: str, monkeypatch: pytest.MonkeyPatch, server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    register(monkeypatch, server, "good.npy", checksum=f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}")
    steps: list[tuple[str, int, int]] = []
    path = tmp_path / "folder" / "good.npy"
    assert download.fetch("test", data_dir=tmp_path, report=lambda *step: steps.append(step)) == {path: True}
    assert path.read_bytes() == CONTENT
    assert left_in(tmp_path) == ["good.npy"]
    assert steps[-1] == ("good.npy", len(CONTENT), len(CONTENT))
    assert download.fetch("test", data_dir=tmp_path) == {path: False}
    assert len(server.asked) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("good.npy", {"checksum": "sha256:" + "0" * 64}, r"is not the published file .*, see the test's source"),
        ("good.npy", {"size": 1000}, "sends more than the 1000 bytes"),
        ("good.npy", {"checksum": ""}, "no known checksum"),
        ("broken.npy", {}, "broke off during broken.npy"),
        ("missing.npy", {}, r"404 .* if the file has moved, the test's source says where it is"),
        ("silent.npy", {}, "did not answer within"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line_and_leaves_nothing(
    name: str,
    fields: dict[str, object],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    server: ThreadingHTTPServer,
    tmp_path: Path,
) -> None:
    register(monkeypatch, server, name, **fields)
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    with pytest.raises(RSAError, match=words) as caught:
        download.fetch("test", data_dir=tmp_path)
    assert "\n" not in str(caught.value)
    assert left_in(tmp_path) == []


def test_without_a_network_the_words_say_so(
    monkeypatch: pytest.MonkeyPatch, server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    register(monkeypatch, server, "good.npy", url="http://127.0.0.1:9/good.npy")
    with pytest.raises(RSAError, match=r"cannot be reached .* is there a network connection"):
        download.fetch("test", data_dir=tmp_path)
    assert left_in(tmp_path) == []


def test_a_file_of_other_content_at_its_place_is_kept_and_named(
    monkeypatch: pytest.MonkeyPatch, server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    file = register(monkeypatch, server, "good.npy")
    path = tmp_path / file.path
    path.parent.mkdir()
    path.write_bytes(b"mine")
    with pytest.raises(RSAError, match=r"folder/good\.npy is not the published file"):
        download.fetch("test", data_dir=tmp_path)
    assert path.read_bytes() == b"mine"
    assert not server.asked  # type: ignore[attr-defined]


def test_what_cannot_be_fetched_says_where_it_is_from(tmp_path: Path) -> None:
    with pytest.raises(
        RSAError, match=r"hvm has no public link: it comes from DiCarlo .*; its place is .*ventral_neural_data.hdf5"
    ):
        download.fetch("hvm", data_dir=tmp_path)
    with pytest.raises(
        RSAError, match=r"zhangdesimone has no public link: it is made from .*NeuroDecodeR.* numpy.savez"
    ):
        download.fetch("zhangdesimone", data_dir=tmp_path)
    with pytest.raises(RSAError, match="load\\('simulated'\\) makes it"):
        download.fetch("simulated", data_dir=tmp_path)
    with pytest.raises(RSAError, match="neither a file nor a data set"):
        download.fetch("majaj", data_dir=tmp_path)
    with pytest.raises(RSAError, match="is a file"):
        download.fetch(str(tmp_path), data_dir=tmp_path)


def test_every_link_of_the_catalogue_has_a_checksum_and_every_file_here_is_the_published_one(data_dir: Path) -> None:
    files = [file for dataset in catalogue.list_datasets() for file in dataset.files]
    for file in files:
        algorithm, _, value = file.checksum.partition(":")
        assert not file.url or (algorithm, len(value)) in (("sha256", 64), ("sha1", 40)), file.path
        if (data_dir / file.path).is_file():
            content = (data_dir / file.path).read_bytes()
            assert hashlib.new(algorithm, content).hexdigest() == value, file.path
            assert file.size == len(content), file.path
