"""`tgsage teacher build`: a file that scores as the recording does."""

import json
from pathlib import Path

import pytest
from tgsage.neural_data.catalogue.images import images
from tgsage.neural_data.commands.teacher import teacher
from tgsage.neural_data.teacher import load_teacher
from tgsage.rsa import RSAError, Teacher
from typer.testing import CliRunner


def build(*arguments: object) -> str:
    return CliRunner().invoke(teacher, ["build", *map(str, arguments)], catch_exceptions=False).output


def test_a_built_teacher_is_the_one_that_python_makes(data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "v4.h5"
    options = f"--scale zscore --splits 5 --seed 3 --data-dir {data_dir} --json {tmp_path}/v4.json"
    shown = build("cowley2023/210325", out, *options.split())
    made = Teacher.load(out)
    expected = load_teacher("cowley2023/210325", scale="zscore", splits=5, seed=3, data_dir=data_dir)
    assert made.ceilings == expected.ceilings
    assert (made.rdms["V4"].values == expected.rdms["V4"].values).all()
    assert made.checksum == images("cowley2023/210325", data_dir=data_dir).checksum()
    found = json.loads((tmp_path / "v4.json").read_text())
    assert found["targets"]["V4"]["ceiling"] == list(expected.ceilings["V4"])
    assert (found["attrs"]["scale"], found["by"], found["checksum"]) == ("zscore", "stimulus", made.checksum)
    for words in ("V4", "640", "50", "zscore", "Spearman-Brown"):
        assert words in shown


def test_a_teacher_without_images_or_ceilings_says_so(data_dir: Path, tmp_path: Path) -> None:
    shown = " ".join(
        build("zhangdesimone", tmp_path / "it.h5", "--by", "object_name", "--splits", 0, "--data-dir", data_dir).split()
    )
    assert "ceiling: none: not asked for" in shown
    assert "images: not found" in shown
    assert Teacher.load(tmp_path / "it.h5").by == "object_name"


def test_a_wrong_column_ends_before_anything_is_written(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(RSAError, match="no column colour"):
        build("zhangdesimone", tmp_path / "it.h5", "--by", "colour", "--data-dir", data_dir)
    assert not list(tmp_path.iterdir())
