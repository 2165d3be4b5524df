"""Our searchers on tables of trained networks, against reference values."""

import json
from pathlib import Path

import pytest
from tgsage.benchmarks.validity import searches
from tgsage.benchmarks.validity.searches import LAST, Ground, compare, curve, measure, read_ground
from tgsage.rsa import RSAError
from tgsage.rsa.cli.app import main


@pytest.fixture(scope="module")
def ground() -> Ground:
    try:
        return read_ground("nasbench201")
    except RSAError as error:
        pytest.skip(str(error))


def test_means_errors_and_verdicts_are_those_of_the_runs() -> None:
    runs = {
        "rl": {
            "0": {"trials": 300, "best": "1:90 5:93 101:93.2", LAST: 91.0},
            "1": {"trials": 300, "best": "1:80 100:94", LAST: 92.0},
        },
        "tpe": {"0": {"trials": 120, "best": "1:93.9", LAST: 93.0}},
    }
    rows = {(row["searcher"], row["measure"]): row for row in compare(runs)}
    assert rows["rl", "best of 100"]["mean"] == 93.5
    assert rows["rl", "best of 300"]["mean"] == 93.6
    assert rows["rl", LAST]["standard error"] == 0.5
    assert rows["rl", LAST]["reached"]
    assert not compare({"rl": {str(i): {"trials": 100, "best": "1:90", LAST: 91 + i} for i in (0, 0.1)}})[0]["reached"]
    assert rows["tpe", "best of 100"]["reached"] is None
    assert ("tpe", "best of 300") not in rows
    assert curve(runs["rl"]["0"])[[0, 3, 4, 99, 100, 299]].tolist() == [90, 90, 93, 93, 93.2, 93.2]


def test_runs_in_the_file_are_not_repeated(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, calls = tmp_path / "result.json", list[tuple[str, int]]()
    whole = searches.run

    def counted(searcher: str, seed: int, ground: Ground, *, trials: int) -> searches.Run:
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append((searcher, seed))
        return whole(searcher, seed, ground, trials=trials)

    monkeypatch.setattr(searches, "run", counted)
    names = ["random", "tpe", "rl", "evolution"]
    with pytest.raises(KeyboardInterrupt):
        measure(ground, names, seeds=2, trials=30, file=file)
    assert calls == [("random", 0), ("random", 1), ("tpe", 0)]
    monkeypatch.setattr(searches, "run", whole)
    resumed = measure(ground, names, seeds=2, trials=30, file=file)
    assert resumed == measure(ground, names, seeds=2, trials=30)
    assert json.loads(file.read_text())["runs"] == resumed["runs"]


def test_the_command_prints_writes_and_draws(
    ground: Ground, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, picture = tmp_path / "result.json", tmp_path / "picture.png"
    arguments = ["bench", "searchers", "--searchers", "random,evolution", "--seeds", "2"]
    assert main([*arguments, "--json", str(file), "--plot", str(picture)]) == 0
    assert "evolution, best of 300" in capsys.readouterr().out
    assert len(json.loads(file.read_text())["runs"]["evolution"]) == 2
    assert picture.stat().st_size > 10_000
    assert main(["bench", "searchers", "macro", "--data-dir", str(tmp_path), "--json", str(file)]) == 2
    assert "nas-bench-macro_cifar10.json is missing: get data/" in capsys.readouterr().err
    assert main(["bench", "searchers", "nasbench"]) == 2
    assert "no table is named 'nasbench'; did you mean nasbench201?" in capsys.readouterr().err
    file.write_text('{"runs": {"tpe": 3}}')
    assert main([*arguments, "--json", str(file)]) == 2
    assert main(["bench", "searchers", "--searchers", "rls"]) == 2
    errors = capsys.readouterr().err.splitlines()[-2:]
    assert errors[0].endswith("is no result of this benchmark; give another file or delete it")
    assert errors[1] == "tgsage: no searcher rls is compared here; did you mean rl?"


def test_networks_of_macro_are_searched_too(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, picture = tmp_path / "macro.json", tmp_path / "macro.png"
    arguments = ["bench", "searchers", "macro", "--data-dir", str(data_dir), "--searchers", "random,evolution"]
    arguments += ["--seeds", "2", "--json", str(file), "--plot", str(picture)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "NAS-Bench-Macro" in printed
    assert "best of the table 93.13" in printed
    found = json.loads(file.read_text())
    assert found["table"] == "macro"
    assert all(90 < row["mean"] <= found["best"] and row["reached"] is None for row in found["rows"])
    assert main(["bench", "searchers", "nasbench201", "--json", str(file)]) == 2
    assert "is about the table macro, not nasbench201" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("searcher", "seeds"), [("random", 40), ("evolution", 40), ("tpe", 4)])
def test_our_searchers_reach_the_reference(ground: Ground, searcher: str, seeds: int) -> None:
    assert [row["reached"] for row in measure(ground, [searcher], seeds=seeds)["rows"]] == [True, True]


@pytest.mark.slow
def test_rl_reaches_the_reference_and_ends_far_above_chance(ground: Ground) -> None:
    early = {row["measure"]: row for row in measure(ground, ["rl"], seeds=20, trials=100)["rows"]}
    assert early["best of 100"]["reached"]
    late = {row["measure"]: row for row in measure(ground, ["rl"], seeds=2)["rows"]}
    assert late[LAST]["mean"] >= 92
