"""From a pool to a page: every number on it comes from a result file, and one command makes it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import xarray
from tgsage.benchmarks import Comparison, compare_teachers
from tgsage.benchmarks.pages.experiments import write_page
from tgsage.benchmarks.teachers.comparison import read_comparison, write_comparison
from tgsage.benchmarks.teachers.page import best_place
from tgsage.rsa import RSAError
from tgsage.rsa.cli.app import main

from ..pools import known_pool, random_rdm, teacher


@pytest.fixture(scope="module")
def found() -> Comparison:
    pool = known_pool()
    return compare_teachers(pool, [teacher(), teacher("random", a=random_rdm(8))], methods=["pearson", "spearman"])


def test_a_result_file_gives_back_what_was_found(found: Comparison, tmp_path: Path) -> None:
    write_comparison(tmp_path / "result.json", found, command="as it was")
    again, more = read_comparison(tmp_path / "result.json")
    xarray.testing.assert_allclose(again.table, found.table, atol=1e-4)
    xarray.testing.assert_allclose(again.targets, found.targets.rename("targets"), atol=1e-4)
    xarray.testing.assert_allclose(again.members, found.members, atol=1e-4)
    numbers = [key for key in found.held_out if key != "chosen"]
    xarray.testing.assert_allclose(again.held_out[numbers], found.held_out[numbers], atol=1e-4)
    assert again.held_out["chosen"].values.tolist() == found.held_out["chosen"].values.tolist()
    assert again.about == json.loads(json.dumps(found.about))
    assert more["command"] == "as it was"


def test_a_page_is_made_of_the_file_alone(found: Comparison, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    write_comparison(result, found)
    write_page(tmp_path / "page.md", [result])
    text = (tmp_path / "page.md").read_text()
    pictures = re.findall(r"\((page/[^)]+)\)", text)
    assert len(pictures) == 4
    assert all((tmp_path / picture).stat().st_size > 5000 for picture in pictures)
    one = found.held_out.sel(rule="any", teacher="good", checkpoint=100)
    assert f"{float(one['gain']):+.2f} [{float(one['low']):+.2f}, {float(one['high']):+.2f}]" in text
    assert "after 100 examples: yes" in text
    assert "np." not in text
    kept = json.loads(result.read_text())
    rows = kept["held_out"]["values"]["gain"]["rows"]
    kept["held_out"]["values"]["gain"]["rows"] = ["0.4321 0.4321 0.4321"] * len(rows)
    result.write_text(json.dumps(kept))
    write_page(tmp_path / "page.md", [result])
    assert (tmp_path / "page.md").read_text().count("**+0.43 [") > text.count("**+0.43 [")


def test_the_scatter_shows_a_trained_checkpoint_and_some_tg(found: Comparison) -> None:
    name, checkpoint, alpha = best_place(found)
    assert name == "good"
    assert checkpoint > 0
    assert alpha > 0


@pytest.mark.parametrize("text", ["", "{}", '{"kind": "teachers"}', '{"kind": "training"}', '{"kind": "speed"}', "[1]"])
def test_another_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(RSAError, match=r"result\.json"):
        write_page(tmp_path / "page.md", [path])
    assert not (tmp_path / "page.md").exists()


def test_the_command_makes_table_file_and_page_of_a_pool_and_a_teacher_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known_pool().save(tmp_path / "pool.h5")
    teacher().save(tmp_path / "good.h5")
    pool, good, page = (str(tmp_path / name) for name in ("pool.h5", "good.h5", "page.md"))
    given = ["teacher", "compare", pool, "--teacher", good, "--alpha", "0", "--alpha", "2", "--bootstrap", "100"]
    assert main([*given, "--weights", "--page", page]) == 0
    assert "any teacher, held out" in capsys.readouterr().out
    kept, _ = read_comparison(tmp_path / "page.json")
    np.testing.assert_array_equal(kept.table["alpha"], [0, 2])
    assert "weights" in kept.held_out["rule"].values
    assert (tmp_path / "page.md").read_text().startswith("# ")
    assert main(["teacher", "compare", pool, "--teacher", str(tmp_path / "absent.h5")]) == 2
    assert "no teacher file" in capsys.readouterr().err
    assert main([*given, "--by", "category_name"]) == 2
    assert main([*given, "--page", str(tmp_path / "page.html")]) == 2
    assert main(["bench", "page", page, str(tmp_path / "page.json")]) == 0


@pytest.mark.slow
def test_everything_small_from_nothing_to_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cells of NAS-Bench-201 on digits, with a trained and an untrained network as teachers."""
    folder, made, page = str(tmp_path / "pool"), str(tmp_path / "teachers"), tmp_path / "page.md"
    small = ["--data", "digits", "--recipe", "digits", "--train", "300", "--valid", "0", "--checkpoints", "0,150,300"]
    pool = ["bench", "pool", folder, "--cells", "10", *small, "--recordings", ""]
    assert main([*pool, "--json", str(tmp_path / "pool.json")]) == 0
    trained = tmp_path / "trained.pt"
    network = ["train", "resnet:1", "--data", "digits", "--recipe", "digits", "--epochs", "2", "--out", str(trained)]
    training = tmp_path / "trained.json"
    assert main([*network, "--json", str(training)]) == 0
    built = ["bench", "teachers", made, f"{folder}/pool.h5", "--network", str(trained), "--model", ""]
    assert main([*built, "--untrained", "resnet:1"]) == 0
    files = sorted(Path(made).glob("*.h5"))
    names = [f"{name}-by-{by}" for name in ("trained", "untrained-resnet-1") for by in ("category", "stimulus")]
    assert [file.stem for file in files] == names
    given = [part for file in files for part in ("--teacher", str(file))]
    compared, searched = str(tmp_path / "teachers.json"), str(tmp_path / "efficiency.json")
    assert main(["teacher", "compare", f"{folder}/pool.h5", *given, "--bootstrap", "200", "--json", compared]) == 0
    search = ["bench", "efficiency", str(tmp_path / "study"), *small[:-2], "--examples", "150", "--longer", "300"]
    search += ["--pool", folder, "--samples", "4", "--seeds", "2", "--searchers", "random,evolution", *given[:2]]
    assert main([*search, "--json", searched]) == 0
    assert main(["bench", "page", str(page), compared, searched, str(training)]) == 0
    text = page.read_text()
    tested = json.loads(training.read_text())["test"]["accuracy"]
    (row,) = [line for line in text.splitlines() if line.startswith("| trained | resnet:1 |")]
    assert row.endswith(f"| {100 * tested:.1f} |")
    assert " 2,514 " in row
    details = {file.stem: file.read_text() for file in (tmp_path / "page").glob("*.md")}
    assert set(details) == {"teachers", "efficiency"}
    assert all(f"(page/{name}.md)" in text for name in details)
    assert "- pool: `tgsage bench pool`" in details["teachers"]
    assert "](teachers-predictors.png)" in details["teachers"]
    assert main(["bench", "pool", folder, "--status"]) == 0
    assert text.startswith("# Which teacher predicts mature performance, and does it make search cheaper\n")
    assert "9 architectures" in text or "10 architectures" in text
    assert "P + TG, trained, by category, after 150" in text
    assert (tmp_path / "page" / "efficiency.png").exists()
