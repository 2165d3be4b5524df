"""What teachers add: on tables with a known answer, and from nothing to the page."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import xarray
from scipy.stats import spearmanr
from tgsage.benchmarks.pages.experiments import write_page
from tgsage.benchmarks.rivals.analysis import ANY, Rivals, _Population, analyse, populations, read_rivals, write_rivals
from tgsage.benchmarks.rivals.table import LEARNED, RULES, Table
from tgsage.plugins.evaluation.teacher_rules import teacher_rules
from tgsage.rsa import RSAError
from tgsage.rsa.cli.app import main

CHECKPOINTS = (0, 100)


def table(groups: tuple[str, ...] = (), n: int = 60) -> Table:
    """Size knows little, P something, the good teacher what both do not know, but only after training."""
    rng = np.random.default_rng(5)
    quality = rng.normal(size=n)
    present = np.ones((2, n), bool)
    present[1, 50:] = False

    def values(strength: float) -> np.ndarray:
        trained = strength * quality + rng.normal(size=(2, n))
        return np.stack([rng.normal(size=(2, n)), trained], axis=2)

    def rules(strength: float) -> dict[str, np.ndarray]:
        return {name: values(strength) for name in dict.fromkeys([*RULES, *LEARNED])}

    free = {"parameters": 0.5 * quality + rng.normal(size=n), "depth": rng.normal(size=n).round()}
    teachers = {"good": rules(1.5), "useless": rules(0.0), "labels, view by stimulus": rules(0.0)}
    about = {"free": {"build": {}, "images": 8, "seed": 0}, "rivals": {"network": "net", "images": 8}, "pool": {}}
    mature, keys = 0.9 + 0.01 * quality, tuple(f'{{"width": {i}}}' for i in range(n))
    marks = {name: np.arange(4) + i for i, name in enumerate(teachers)}
    known = (
        values(0.7),
        -values(0.7),
        free,
        teachers,
        ("labels, view by stimulus",),
        about,
        keys,
        {"rmi-nas": quality},
        marks,
    )
    return Table("toy", CHECKPOINTS, (0, 1), np.stack([mature, mature]), groups or ("",) * n, present, *known)


@pytest.fixture(scope="module")
def found() -> Rivals:
    return analyse(table(), draws=60)


def test_a_teacher_that_knows_more_adds_to_everything_and_no_other(found: Rivals) -> None:
    gain = found.gain.sel(population="all", checkpoint=100)
    for question in ("size", "P", "free", "free + P"):
        assert (gain["low"] > 0).sel(question=question, teacher="good")
        assert not (gain["low"] > 0).sel(question=question, teacher="useless")
        assert (gain["low"] > 0).sel(question=question, teacher=ANY)
    assert not (found.gain["low"] > 0).drop_sel(teacher="rmi-nas").sel(population="all", checkpoint=0).any()
    np.testing.assert_allclose(gain["gain"], gain["full"] - gain["base"], atol=1e-9, equal_nan=True)
    given = found.given.sel(given="size", population="all", checkpoint=100)
    assert float(given["low"].sel(predictor="good: deepest")) > 0.3
    assert float(given["low"].sel(predictor="useless: deepest")) < 0
    assert float(found.summed["low"].sel(population="all", teacher="good", checkpoint=100)) > 0
    assert float(found.single["spearman"].sel(population="all", predictor="rmi-nas", checkpoint=0)) == pytest.approx(1)
    assert (found.gain["low"] > 0).sel(question="free + P", teacher="rmi-nas").all()


def test_the_top_is_that_of_a_plain_loop(found: Rivals) -> None:
    made = table()
    values, mature = made.p[:, :, 1], made.mature
    precision, regret = [], []
    for s in range(2):
        here = np.flatnonzero(made.present[s])
        order, best = here[np.argsort(-values[s, here])], here[np.argsort(-mature[here])]
        n = round(0.2 * len(here))
        precision.append(len(set(order[:n]) & set(best[:n])) / n)
        regret.append(100 * (mature[best[:5]].mean() - mature[order[:5]].mean()))
    one = found.single.sel(population="all", predictor="P", checkpoint=100)
    assert float(one["precision"]) == pytest.approx(np.mean(precision))
    assert float(one["regret"]) == pytest.approx(np.mean(regret))


def test_seeds_agree_as_scipy_says(found: Rivals) -> None:
    made = table()
    expected = spearmanr(*made.p[:, :50, 1])[0]
    assert float(found.agreement["r"].sel(population="all", predictor="P", checkpoint=100)) == pytest.approx(expected)
    alone = replace(made, seeds=(0,), **{k: getattr(made, k)[:1] for k in ("measured", "present", "p", "loss")})
    one_seed = {name: {rule: v[:1] for rule, v in rules.items()} for name, rules in made.teachers.items()}
    assert analyse(replace(alone, teachers=one_seed), draws=5).agreement["r"].isnull().all()


def test_labels_and_pixels_are_taken_out_of_what_a_teacher_knows() -> None:
    """A teacher that only repeats what the pixels tell adds to free and P, but nothing to these plus the pixels."""
    made = table()
    good, useless = made.teachers["good"], made.teachers["useless"]
    pixels, labels = "pixels, view by stimulus", "labels, view by stimulus"
    teachers = {"good": {**useless, "deepest": good["deepest"]}, pixels: good, labels: useless}
    found = analyse(replace(made, teachers=teachers, controls=(pixels, labels), marks={}), draws=60)
    gain = found.gain.sel(population="all", teacher="good", checkpoint=100)
    assert float(gain["low"].sel(question="free + P")) > 0
    assert float(gain["low"].sel(question="free + P + rivals")) <= 0
    assert float(gain["gain"].sel(question="free + P + rivals")) < 0.5 * float(gain["gain"].sel(question="free + P"))
    assert float(gain["base"].sel(question="free + P + rivals")) > float(gain["base"].sel(question="free + P"))
    with pytest.raises(RSAError, match="all teachers are controls"):
        analyse(replace(made, controls=tuple(made.teachers)), draws=5)


def test_equal_size_ranks_members_that_a_seed_lacks_as_the_others() -> None:
    """The best member was trained with one seed of two: its goal stays the best."""
    made = table(("size 1-2",) * 60)
    best = int(np.argmax(made.mature))
    present = np.ones((2, 60), bool)
    present[1, best] = False
    here = _Population(replace(made, present=present), np.ones(60, bool), "equal size", 5, 0)
    assert int(np.argmax(here.goal)) == best
    np.testing.assert_array_equal(np.argsort(here.goal), np.argsort(made.mature))


def test_equal_sizes_and_mixed_bands() -> None:
    made = table()
    same = {"parameters": np.ones(60), "depth": made.free["depth"]}
    found = analyse(replace(made, free=same), draws=5)
    assert float(found.single["spearman"].sel(population="all", predictor="parameters", checkpoint=0)) == 0
    groups = tuple(f"size {i % 4}-{i % 4 + 1}" for i in range(60))
    with pytest.raises(RSAError, match="members of 4 bands of size, where a pool has 3"):
        populations(table(groups))


def test_members_drawn_for_a_question_answer_it() -> None:
    groups = tuple(["random", "best", "size 1-2"][i % 3] for i in range(60))
    assert list(populations(table(groups))) == ["random", "best tenth", "equal size"]
    assert list(populations(table())) == ["all", "best quarter"]
    found = analyse(table(groups), draws=20)
    assert found.about["populations"] == {"random": [20, 17], "best tenth": [20, 17], "equal size": [20, 16]}
    assert np.isnan(found.single["regret"].sel(population="equal size")).all()
    few = tuple("random" if i < 5 else "size 1-2" for i in range(60))
    assert analyse(table(few), draws=5).about["too few"] == {"random": 5}
    with pytest.raises(RSAError, match="12 members at some seed yet"):
        analyse(table(("random",) * 5, n=5), draws=5)


def test_a_result_file_gives_back_what_was_found_and_makes_the_page(found: Rivals, tmp_path: Path) -> None:
    result, page = tmp_path / "rivals.json", tmp_path / "page.md"
    write_rivals(result, found, command="as it was")
    again, more = read_rivals(result)
    for name in ("single", "given", "gain", "summed", "agreement"):
        xarray.testing.assert_allclose(getattr(again, name), getattr(found, name), atol=1e-4)
    assert again.about == json.loads(json.dumps(found.about))
    assert more["command"] == "as it was"
    write_page(page, [result])
    text = page.read_text()
    one = found.gain.sel(population="all", question="free + P", teacher=ANY, checkpoint=100)
    assert f"to free predictors and P: after 100 ({float(one['gain']):+.2f})" in text
    regret = found.single.sel(population="all", predictor="P", checkpoint=100)
    assert (
        f"P {float(regret['regret']):.2f} [{float(regret['regret low']):.2f}, {float(regret['regret high']):.2f}]"
        in text
    )
    assert f"**{float(one['gain']):+.2f} [{float(one['low']):+.2f}, {float(one['high']):+.2f}]**" in text
    assert "60 with seed 0, 50 with seed 1 trained so far" in text
    assert "| rmi-nas | all | 1.00 [1.00, 1.00] |" in text
    assert "- RMI-NAS and DisWOT: teacher net, 8 training images" in text
    assert "nan" not in text
    assert "np." not in text
    assert text.count("![") == 3
    assert sorted(path.name for path in (tmp_path / "page").iterdir()) == [
        "gains.png",
        "predictors.png",
        "rivals-given.png",
    ]
    write_page(page, [result, result])
    short = page.read_text()
    assert "(page/rivals.md)" in short
    details = (tmp_path / "page" / "rivals.md").read_text()
    assert details.startswith("# What to choose networks by: toy")
    assert "as it was" in details
    kept = json.loads(result.read_text())
    for name in ("controls", "bands", "too few", "pool", "resampling seed"):
        result.write_text(json.dumps({**kept, "about": {k: v for k, v in kept["about"].items() if k != name}}))
        with pytest.raises(RSAError, match=rf"rivals\.json does not state {name}"):
            write_page(page, [result])
    result.write_text('{"kind": "rivals"}')
    with pytest.raises(RSAError, match=r"rivals\.json"):
        write_page(page, [result])


@pytest.mark.slow
def test_from_nothing_to_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members over two seeds, one of them half done, teachers, the comparison, and the free predictors kept."""
    folder, page = tmp_path / "pool", tmp_path / "page.md"
    tiny = ["--space", "toy", "--data", "digits", "--recipe", "digits", "--train", "64", "--valid", "40"]
    tiny += ["--epochs", "1", "--checkpoints", "0,64", "--recordings", ""]
    assert main(["teacher", "compare", str(folder), "--teacher", "absent"]) == 2
    assert main(["bench", "pool", str(folder), "--cells", "14", "--seeds", "0,1", *tiny]) == 0
    parts = sorted((folder / "seed1" / "candidates").glob("*.h5"))
    parts[0].unlink()
    made = tmp_path / "teachers"
    teachers = ["bench", "teachers", str(made), str(folder), "--model", "", "--untrained", "resnet:1"]
    assert main(teachers) == 0
    given = [part for file in sorted(made.glob("*.h5")) for part in ("--teacher", str(file))]
    compare = ["teacher", "compare", str(folder), *given, "--bootstrap", "20"]
    assert main([*compare, "--page", str(page)]) == 0
    found, _ = read_rivals(page.with_suffix(".json"))
    assert found.about["members"] == [len(parts), len(parts) - 1]
    assert page.read_text().startswith("# Does a teacher add to what an untrained network tells?\n")
    kept = (folder / "free.json").stat().st_mtime_ns
    monkeypatch.setattr("tgsage.benchmarks.rivals.free.teacher_rules", partial(teacher_rules, steps=2))
    train = ["train", "resnet:1", "--data", "digits", "--recipe", "digits", "--epochs", "1"]
    assert main([*train, "--out", str(tmp_path / "net.pt")]) == 0
    taught = [*compare, "--network", str(tmp_path / "net.pt"), "--json", str(tmp_path / "taught.json")]
    assert main(taught) == 0
    rules = read_rivals(tmp_path / "taught.json")[0].about
    assert rules["rival rules"] == ["rmi-nas", "diswot relation"]  # the others are for classifiers of equal size
    assert rules["rivals"]["network"] == "net"
    assert (folder / "free.json").stat().st_mtime_ns == kept
    rules_kept = (folder / "rival-rules.json").stat().st_mtime_ns
    assert main(taught) == 0
    assert (folder / "rival-rules.json").stat().st_mtime_ns == rules_kept
    capsys.readouterr()
    assert main([*compare, "--network", str(folder / "free.json")]) == 2
    pool = ["teacher", "compare", str(folder / "seed0" / "pool.h5"), *given, "--network", str(tmp_path / "net.pt")]
    assert main(pool) == 2
    assert "a pool over seeds" in capsys.readouterr().err
    assert main([*compare, "--rule", "paper"]) == 2
    assert "cannot be used with a pool over seeds" in capsys.readouterr().err
    (folder / "free.json").write_text("{}")
    assert main(compare) == 2
    assert "holds no free predictors of a pool" in capsys.readouterr().err
