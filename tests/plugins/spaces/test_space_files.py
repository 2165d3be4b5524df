"""Architectures in files, on screen and in pictures."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tgsage.plugins.spaces import KNOWN_CELLS, draw, get_space, read_architecture, write_architecture
from tgsage.plugins.spaces.catalogue import read_architectures
from tgsage.plugins.spaces.cell import cell_graph
from tgsage.rsa import RSAError
from tgsage.rsa.cli.app import main

NAMES = ("cnn10", "cnn20", "cell", "nasbench201", "macro", "toy", "rnn-tree", "nas-bench-nlp")


@pytest.mark.parametrize("name", NAMES)
def test_an_architecture_comes_back_from_its_file(name: str, tmp_path: Path) -> None:
    space = get_space(name)
    architecture = space.sample(np.random.default_rng(4))
    write_architecture(tmp_path / "a.json", space, architecture)
    assert read_architecture(tmp_path / "a.json") == (space, architecture)
    assert json.loads((tmp_path / "a.json").read_text()) == {"space": name, "architecture": architecture}


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    space = get_space("toy")
    write_architecture(tmp_path / "a.json", space, space.complete({}))
    before = (tmp_path / "a.json").read_bytes()
    with pytest.raises(RSAError, match="n_layers is missing"):
        write_architecture(tmp_path / "a.json", space, {})
    assert (tmp_path / "a.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b'{"space": "toy", "archit', "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"1" * 10_000, "is not JSON"),
        (b" " * (1 << 21), "is larger than"),
        (b"[]", "an architecture file is"),
        (b'{"space": "toy"}', "an architecture file is"),
        (b'{"space": 3, "architecture": {}}', "an architecture file is"),
        (b'{"space": "toy", "architecture": []}', "an architecture file is"),
        (b'{"space": "town", "architecture": {}}', "unknown space 'town'"),
        (b'{"space": "toy", "architecture": {"n_layers": 9}}', "n_layers is 9, not one of 1, 2, 3"),
        (b'{"space": "toy", "architecture": {"n_layers": [1]}}', r"n_layers is \[1\], not one of 1, 2, 3"),
    ],
)
def test_a_damaged_file_is_named_in_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "damaged.json"
    path.write_bytes(content)
    with pytest.raises(RSAError, match=message) as caught:
        read_architecture(path)
    assert "damaged.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(RSAError, match="no such file"):
            read_architecture(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_shows_every_layer_after_what_it_reads(name: str) -> None:
    space = get_space(name)
    graph = space.graph(space.sample(np.random.default_rng(2)))
    order = {node: i for i, node in enumerate(graph.nodes)}
    assert graph.edges
    assert all(order[source] < order[target] for source, target, _ in graph.edges)
    assert {target for _, target, _ in graph.edges} | {source for source, *_ in graph.edges} <= set(order)


def test_the_graph_of_a_known_cell_has_its_operations_and_output() -> None:
    graph = cell_graph(KNOWN_CELLS["nasnet-a"].normal)
    assert ("cell-2", "block2", "separable5x5\nseparable3x3") in graph.edges
    read = [source for source, target, _ in graph.edges if target == "output"]
    assert read == ["cell-2", *(f"block{i}" for i in range(1, 6))]


@pytest.mark.parametrize("name", ["cell", "cnn10", "nasbench201", "macro"])
def test_a_picture_is_drawn(name: str, tmp_path: Path) -> None:
    space = get_space(name)
    draw(space, space.sample(np.random.default_rng(1)), tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = (int.from_bytes(data[start : start + 4], "big") for start in (16, 20))
    assert min(width, height) > 200


def test_samples_have_free_predictors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["space", "toy", "--sample", "2", "--predictors", "--json", str(tmp_path / "o.json")]
    assert main(arguments) == 0
    shown = json.loads((tmp_path / "o.json").read_text())["architectures"]
    assert all(one["predictors"]["parameters"] > 0 for one in shown)
    assert "sample 2 of seed 0" in capsys.readouterr().out.split("Before training, from images of digits")[1]
    assert main([*arguments, "--teacher", "simulated", "--by", "object_name"]) == 0
    taught = json.loads((tmp_path / "o.json").read_text())["architectures"]
    assert all(0 < one["untrained_tg"] < 1 for one in taught)
    assert "TG, untrained" in capsys.readouterr().out
    assert [one["predictors"] for one in taught] == [one["predictors"] for one in shown]
    for wrong, words in (
        (["--predictors"], "give --sample or --architecture"),
        (["--data", "digits"], "--predictors"),
        (["--sample", "1", "--teacher", "simulated"], "add --predictors"),
        (["--sample", "1", "--predictors", "--by", "stimulus"], "name one with --teacher"),
    ):
        assert main(["space", "toy", *wrong]) == 2
        assert words in capsys.readouterr().err


def test_the_command_lists_spaces_and_known_cells(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["space", "--json", str(tmp_path / "o.json")]) == 0
    text = capsys.readouterr().out
    for name in (*NAMES, *KNOWN_CELLS):
        assert name in text
    sizes = {row["name"]: row["dimensions"] for row in json.loads((tmp_path / "o.json").read_text())["spaces"]}
    assert sizes["cnn10"] == 115
    assert sizes["cnn20"] == 330


def test_the_command_tells_what_a_space_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space", "cnn20"]) == 0
    text = capsys.readouterr().out
    assert f"330 dimensions; {get_space('cnn20').size()} combinations of choices." in text
    assert "layer1/kernel_width" in text


def test_the_command_samples_draws_and_writes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out, picture, result = tmp_path / "cell.json", tmp_path / "cell.png", tmp_path / "o.json"
    given = ["space", "cell", "--sample", "2", "--seed", "5", "--out", str(out), "--out", str(picture)]
    assert main([*given, "--json", str(result)]) == 0
    text = capsys.readouterr().out
    shown = json.loads(result.read_text())["architectures"]
    rng = np.random.default_rng(5)
    space = get_space("cell")
    for i, found in enumerate(shown, start=1):
        assert read_architecture(tmp_path / f"cell-{i}.json")[1] == found["architecture"] == space.sample(rng)
        assert (tmp_path / f"cell-{i}.png").exists()
        assert f"{found['parameters']:,} parameters" in text
        assert found["description"].splitlines()[0] in text
    assert found["parameters"] == sum(p.numel() for p in space.build(found["architecture"]).parameters())


def test_drawn_without_a_file_s_name_pictures_take_that_of_the_space_or_of_the_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["space", "toy", "--sample", "3", "--draw", "--out", "one.json"]) == 0
    assert main(["space", "--architecture", "one-2.json", "--draw"]) == 0
    assert main(["space", "pnasnet-5", "--draw"]) == 0
    pictures = ["one-2.png", "pnasnet-5.png", "toy-1.png", "toy-2.png", "toy-3.png"]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == pictures
    assert (tmp_path / "one-2.png").read_bytes() == (tmp_path / "toy-2.png").read_bytes()


def test_the_command_shows_a_file_and_a_known_cell(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    space = get_space("toy")
    write_architecture(tmp_path / "a.json", space, space.complete({}))
    assert main(["space", "--architecture", str(tmp_path / "a.json")]) == 0
    assert "layer1: 4 filters 1x1, ReLU" in capsys.readouterr().out
    assert main(["space", "nasnet-a", "--out", str(tmp_path / "n.svg")]) == 0
    assert "3,346,538 parameters for CIFAR-10 (repeats 6, filters 32)" in capsys.readouterr().out
    assert "reduction cell" in (tmp_path / "n.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["darts"], "unknown space 'darts'; known: cnn10"),
        (["--sample", "2"], "need the name of a space"),
        (["nasnet-a", "--sample", "2"], "nasnet-a is a known cell"),
        (["cell", "--architecture", "toy.json"], "toy.json holds an architecture of toy, not of cell"),
        (["cell", "--architecture", "none.json"], "none.json: no such file"),
        (["toy", "--architecture", "toy.json", "--sample", "1"], "give one of them"),
        (["nasnet-a", "--out", "n.json"], "nothing to sample or to write as JSON"),
        (["toy", "--out", "a.gif"], "a.gif: an architecture is written to .json, or drawn to .png, .svg, .pdf"),
        (["toy", "--sample", "1", "--out", "nowhere/a.json"], "there is no folder nowhere"),
        (["toy", "--sample", "-1"], "Invalid value for '--sample'"),
    ],
)
def test_wrong_arguments_end_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    toy = get_space("toy")
    write_architecture("toy.json", toy, toy.complete({}))
    assert main(["space", *arguments]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if "left out" not in line]
    assert len(error) == 1
    assert message in error[0]


def test_the_command_and_the_spaces_are_imported_without_torch() -> None:
    code = (
        "import sys; import tgsage.plugins.commands.space; from tgsage.plugins.spaces import get_space; "
        "[get_space(n) for n in ('cnn20', 'cell', 'nasbench201', 'toy')]; "
        "assert not {'matplotlib', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_architecture_or_several_from_json_or_a_file_of_it(tmp_path: Path) -> None:
    toy = get_space("toy")
    first, second = toy.complete({"n_layers": 1}), toy.complete({"n_layers": 2})
    write_architecture(tmp_path / "a.json", toy, first)
    (tmp_path / "b.json").write_text(json.dumps([first, {"space": "toy", "architecture": second}]))
    for text, expected in (
        (json.dumps(first), [first]),
        (json.dumps([second, first]), [second, first]),
        (str(tmp_path / "a.json"), [first]),
        (str(tmp_path / "b.json"), [first, second]),
        ("[]", []),
    ):
        assert read_architectures(text, toy) == expected
    for text, words in (
        (str(tmp_path / "c.json"), r"c\.json: no such file"),
        ("[1", "this is no JSON: "),
        (json.dumps([first, 3]), "the JSON given, number 2: an architecture is a mapping"),
        (json.dumps({"space": "cnn10", "architecture": {}}), "it is of the space 'cnn10', not toy"),
    ):
        with pytest.raises(RSAError, match=words):
            read_architectures(text, toy)
