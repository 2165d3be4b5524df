"""Models against teachers in one call: lists of models, checkpoints, failures, subjects, the cache, the command."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from tgsage.neural_data import compare_models, score
from tgsage.neural_data.comparing import listed
from tgsage.neural_data.recordings.recording import from_arrays
from tgsage.rsa import RDM, LayerCache, RSAError, Teacher, bootstrap, compute_rdm
from tgsage.rsa.cli.app import main
from tgsage.rsa.comparison import ModelComparison
from tgsage.rsa.networks import extract
from tgsage.rsa.plots.models import KINDS, comparison_figure
from tgsage.rsa.report.tables import equals

NAMES = [f"im{i:02d}" for i in range(24)]
FACTORY = """
import torch
def small():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3))
    return net, lambda image: torch.as_tensor(image).float()
def broken():
    raise ValueError("no such weights")
"""

PICTURED = """
import pathlib, numpy, torch
def small():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    return net, lambda image: torch.from_numpy(numpy.array(image)).permute(2, 0, 1).float() / 255
def needs_a_file():
    if not pathlib.Path("weights").exists():
        raise OSError("no weights here")
    return small()
"""


@pytest.fixture
def factory(tmp_path: Path) -> str:
    (tmp_path / "nets.py").write_text(FACTORY)
    return str(tmp_path / "nets.py")


def images() -> torch.Tensor:
    return torch.rand(24, 3, 10, 10, generator=torch.Generator().manual_seed(0))


def teacher(name: str = "monkey", seed: int = 0) -> Teacher:
    rng = np.random.default_rng(seed)
    pixels = images().reshape(24, -1).numpy()
    labels = [str(i) for i in range(24)]
    noisy = {
        t: compute_rdm(pixels + k * rng.normal(size=pixels.shape), labels=labels) for t, k in (("V4", 0.3), ("IT", 1.0))
    }
    return Teacher.from_rdms(name, noisy, {"V4": (0.9, 0.9)})


def ready(models: int, seed: int = 0) -> dict[str, dict[str, RDM]]:
    rng, x = np.random.default_rng(seed), images().reshape(24, -1).numpy()
    labels = [str(i) for i in range(24)]
    return {
        f"model {i} with a long name of many parts.v1_in22k_ft_in1k": {
            f"blocks.{j}": compute_rdm(x + (0.2 + i / 4) * rng.normal(size=x.shape), labels=labels)
            for j in range(1 + i % 3)
        }
        for i in range(models)
    }


def test_models_of_all_kinds_and_one_that_fails(factory: str) -> None:
    lines: list[str] = []
    models = {"net": f"{factory}:small", "ready": ready(1).popitem()[1], "broken": f"{factory}:broken"}
    found = compare_models(
        models, [teacher(), teacher("another", 1)], images(), bootstrap=50, halvings=5, report=lines.append
    )
    assert found.targets == ("monkey: V4", "monkey: IT", "another: V4", "another: IT")
    assert {row["model"] for row in found.rows if row["reason"]} == {"broken"}
    assert "no such weights" in found.failed["broken"]
    alone = score(f"{factory}:small", teacher(), images(), layers="2", bootstrap=50)
    one = compare_models(f"{factory}:small", teacher(), images(), layers="2", bootstrap=50)
    assert one.rows[0]["similarity"] == pytest.approx(float(alone.table[0, 0]), abs=1e-9)
    assert (one.rows[0]["low"], one.rows[0]["high"]) == pytest.approx(alone.best_interval["V4"], abs=0.02)
    assert lines[0] == "model 1 of 3: net"
    with pytest.raises(RSAError, match=r"no model could be compared: .*no such weights"):
        compare_models(f"{factory}:broken", teacher(), images())


def test_what_was_shown_before_is_not_shown_again(
    factory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    real = extract.show

    def show(*args: Any, **kw: Any) -> Any:
        shown.append(1)
        return real(*args, **kw)

    monkeypatch.setattr(extract, "show", show)
    cache, name = LayerCache(tmp_path / "kept", 1), f"{factory}:small"
    first = compare_models(name, teacher(), images(), bootstrap=20, halvings=5, cache=cache)
    assert len(shown) == 1
    again = compare_models(
        [name, "pixels"], [teacher(), teacher("another", 1)], images(), bootstrap=20, halvings=5, cache=cache
    )
    assert len(shown) == 2  # the pixels alone; another teacher costs nothing
    assert again.rows[0]["similarity"] == first.rows[0]["similarity"]
    assert score(name, teacher(), images(), layers=["2"], bootstrap=0, cache=cache).best_layer["V4"] == "2"
    assert len(shown) == 2
    score(name, teacher(), images(), bootstrap=0, cache=cache, n_features=10)
    score(name, teacher(), images() * 0.5, bootstrap=0, cache=cache)
    assert len(shown) == 4
    weights = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3))
    torch.save(weights.state_dict(), tmp_path / "w.pt")
    score(name, teacher(), images(), bootstrap=0, cache=cache, weights=tmp_path / "w.pt")
    assert len(shown) == 5
    for file in (tmp_path / "kept").glob("*.layer"):
        file.write_bytes(file.read_bytes()[:-3] + b"abc")
    assert score(name, teacher(), images(), bootstrap=0, cache=cache).tg == pytest.approx(
        score(name, teacher(), images(), bootstrap=0).tg
    )
    assert len(shown) == 7


def test_the_cache_stays_within_its_size(tmp_path: Path) -> None:
    from tgsage.rsa.networks.readout import Layers, Readout

    rdm = next(iter(ready(1).popitem()[1].values()))
    cache = LayerCache(tmp_path, 1e-5)  # 10 kB; an entry has 2.3
    for i in range(8):
        cache.keep(f"key {i}", Readout("auto"), Layers({"l": rdm}, {}))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 1e4
    before = sorted(tmp_path.iterdir())
    cache.keep("more than it holds", Readout("auto"), Layers({f"l{i}": rdm for i in range(6)}, {}))
    assert sorted(tmp_path.iterdir()) == before
    assert LayerCache(tmp_path, 0).limit == 0
    assert cache.note("key") is None
    for limit, kept in ((1e-5, {"a": [1.5, None]}), (0, None)):
        LayerCache(tmp_path, limit).take_note("key", {"a": [1.5, None]})
        assert LayerCache(tmp_path, limit).note("key") == kept
    for file in tmp_path.glob("*.json"):
        file.write_text(file.read_text().replace("1.5", "2.5"))
    assert cache.note("key") is None
    with pytest.raises(RSAError, match="gigabytes from 0"):
        LayerCache(tmp_path, -1)


def test_checkpoints_are_models_in_natural_order(factory: str, tmp_path: Path) -> None:
    for epoch in (1, 10, 2):
        torch.manual_seed(epoch)
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3))
        torch.save(net.state_dict(), tmp_path / f"epoch_{epoch}.pt")
    found = compare_models(
        f"{factory}:small", teacher(), images(), weights=str(tmp_path / "epoch_*.pt"), bootstrap=20, halvings=5
    )
    assert found.models == ("epoch_1", "epoch_2", "epoch_10")
    assert found.settings["checkpoints"] is True
    assert comparison_figure(found).axes[0].get_xlabel() == "checkpoint"


def test_a_file_lists_models(tmp_path: Path) -> None:
    file = tmp_path / "models.txt"
    file.write_text("# ours\npixels\ntimm:resnet18 name='a net' layers=layer1,layer2\n\nx.py:make weights=w.pt\n")
    entries = listed(f"@{file}")
    assert [(one.name, one.layers, one.weights) for one in entries] == [
        ("pixels", None, None),
        ("a net", ["layer1", "layer2"], None),
        ("x.py:make", None, "w.pt"),
    ]
    for text, message in (
        ("", "lists no models"),
        ("pixels colour=red", "line 1: MODEL name"),
        ("'pixels", "line 1: "),
    ):
        file.write_text(text)
        with pytest.raises(RSAError, match=message):
            listed(f"@{file}")
    with pytest.raises(RSAError, match="two models are called pixels"):
        listed(["pixels", "pixels"])
    with pytest.raises(RSAError, match="weights are for one model"):
        listed(["pixels", "a"], "w.pt")
    with pytest.raises(RSAError, match="no such file"):
        listed("pixels", "nothing_*.pt")


def test_animals_of_a_recording_are_resampled() -> None:
    rng, x = np.random.default_rng(0), images().reshape(24, -1).numpy()
    rates = np.concatenate([x[:, :40] + 0.5 * rng.normal(size=(24, 40)) for _ in range(3)], axis=1)
    animals = {"animal": [f"m{i // 40}" for i in range(120)]}
    recording = from_arrays(rates, stimulus_id=[str(i) for i in range(24)], region="IT", neuroid=animals)
    found = compare_models(ready(2), recording, over="both", level="region", bootstrap=50, halvings=5)
    assert found.settings["subjects"] == "3"
    assert found.rows[0]["ceiling_low"] < found.rows[0]["ceiling_high"]
    assert "new stimuli and new subjects" in " ".join(found.words())
    with pytest.raises(RSAError, match="has no column 'person'"):
        compare_models(ready(2), recording, over="subjects", subjects="person")
    with pytest.raises(RSAError, match="say subjects targets"):
        compare_models(ready(2), teacher(), over="subjects")
    of_targets = compare_models(ready(2), teacher(), over="subjects", subjects="targets")
    assert of_targets.targets == ("monkey",)


@pytest.fixture(scope="module")
def many() -> ModelComparison:
    models = ready(30)
    return compare_models(models, teacher(), bootstrap=60, halvings=5, beyond=list(models)[-1])


def test_groups_of_equals_are_those_that_no_test_tells_apart(many: ModelComparison) -> None:
    letters = equals(many, "V4")
    for pair in many.pairs:
        if pair["target"] == "V4":
            shared = set(letters[pair["first"]]) & set(letters[pair["second"]])
            assert bool(shared) == (not pair["p_adjusted"] < 0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_of_30_models_can_be_drawn(many: ModelComparison, kind: str, tmp_path: Path) -> None:
    figure = comparison_figure(many, kind)
    figure.savefig(tmp_path / "a.png", dpi=20)
    if kind == "models":
        dark = sum(pair["p_adjusted"] < 0.05 for pair in many.pairs if pair["target"] == "V4")
        assert len(figure.axes[1].patches) == 2 * dark
    with pytest.raises(RSAError, match="there is no picture"):
        comparison_figure(many, "pie")


def test_the_command_writes_everything_and_says_who_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    teacher().save("t.h5")
    for i, (name, layers) in enumerate(ready(2).items()):
        np.savez(f"m{i}.npz", **{layer: rdm.square() for layer, rdm in layers.items()})  # type: ignore[arg-type]
        assert name
    command = [
        "compare",
        "m0.npz",
        "m1.npz",
        "nothing.py:make",
        "--teacher",
        "t.h5",
        "--labels",
        "order",
        "--bootstrap",
        "50",
    ]
    outputs = {f"--{kind}": f"out.{kind}" for kind in ("json", "csv", "latex")} | {
        "--report": "out.html",
        "--plot": "out.svg",
    }
    assert main([*command, *(part for pair in outputs.items() for part in pair)]) == 1
    out = capsys.readouterr()
    assert "nothing.py: no such file" in out.out
    assert "model 3 of 3: nothing.py:make" in out.err
    written = json.loads(Path("out.json").read_text())
    assert len(written["rows"]) == 6
    assert written["settings"]["correction"] == "fdr"
    assert Path("out-pairs.csv").read_text().startswith("target,first,second,difference")
    assert r"\textbf" in Path("out.latex").read_text()
    page = Path("out.html").read_text()
    assert "failed: nothing.py: no such file" in page
    assert not re.search(r"(src|href)=\"http", page)
    assert main([*command, "--correction", "bonferroni"]) == 2
    assert main([*command, "--plot", "out.gif"]) == 2
    assert main(["compare", "--teacher", "t.h5"]) == 2
    assert "at least one model is needed" in capsys.readouterr().err


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`tgsage compare` with a teacher of 24 pictures, in a folder with these and with functions that make networks."""
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Path("pictures").mkdir()
    for i, picture in enumerate(images()):
        pixels = (255 * picture).byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(f"pictures/{i:02d}.png")
    rng, pixels = np.random.default_rng(0), images().reshape(24, -1).numpy()
    noisy = compute_rdm(pixels + 0.3 * rng.normal(size=pixels.shape), labels=[f"{i:02d}" for i in range(24)])
    Teacher.from_rdms("monkey", {"V4": noisy}).save("t.h5")
    Path("nets.py").write_text(PICTURED)
    kept = ["--cache", "kept", "--cache-gb", "1", "--bootstrap", "20", "--halvings", "5", "--json", "out.json"]
    return ["compare", "--teacher", "t.h5", "--stimuli", "pictures", *kept]


def test_checkpoints_are_named_by_a_glob_of_the_command(commands: list[str]) -> None:
    for epoch in (1, 10, 2):
        torch.manual_seed(epoch)
        torch.save(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()).state_dict(), f"epoch_{epoch}.pt")
    assert main([*commands, "nets.py:small", "--weights", "epoch_*.pt", "--plot", "out.svg"]) == 0
    found = json.loads(Path("out.json").read_text())
    assert [row["model"] for row in found["rows"]] == ["epoch_1", "epoch_2", "epoch_10"]
    assert len({row["similarity"] for row in found["rows"]}) == 3
    assert main([*commands, "nets.py:small", "--weights", "epoch_10.pt"]) == 0
    (alone,) = json.loads(Path("out.json").read_text())["rows"]
    assert (alone["model"], alone["similarity"]) == ("nets.py:small", found["rows"][2]["similarity"])
    assert main([*commands, "nets.py:small", "--weights", "none_*.pt"]) == 2


def test_a_model_that_failed_is_all_that_the_same_command_computes_again(
    commands: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown, real = list[int](), extract.show

    def show(*given: Any, **how: Any) -> Any:
        shown.append(1)
        return real(*given, **how)

    monkeypatch.setattr(extract, "show", show)
    command = [*commands, "nets.py:small", "nets.py:needs_a_file", "pixels"]
    assert main(command) == 1
    first = {row["model"]: row for row in json.loads(Path("out.json").read_text())["rows"]}
    reasons = {model: row["reason"] for model, row in first.items() if row["reason"]}
    assert reasons == {"nets.py:needs_a_file": "nets.py:needs_a_file() fails: OSError: no weights here"}
    assert "no weights here" in capsys.readouterr().err
    assert len(shown) == 2
    Path("weights").touch()
    assert main(command) == 0
    second = {row["model"]: row for row in json.loads(Path("out.json").read_text())["rows"]}
    assert len(shown) == 3
    assert [row["reason"] for row in second.values()] == [""] * 3
    for model in ("nets.py:small", "pixels"):
        assert second[model]["similarity"] == first[model]["similarity"]
    assert main(command) == 0
    assert len(shown) == 3


def test_corrections_are_chosen_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against scipy, and against a plain loop over resamples and pairs for the maximum statistic."""
    monkeypatch.chdir(tmp_path)
    teacher().save("t.h5")
    rdms = {f"m{i}.npz": next(iter(layers.values())) for i, layers in enumerate(ready(5).values())}
    for name, rdm in rdms.items():
        np.savez(name, rdm=rdm.square())
    command = ["compare", *rdms, "--teacher", "t.h5", "--labels", "order", "--bootstrap", "300", "--json", "out.json"]
    found = {}
    for correction in ("none", "fdr", "max"):
        assert main([*command, "--correction", correction]) == 0
        written = json.loads(Path("out.json").read_text())
        found[correction] = {
            target: (
                np.array([pair["p_adjusted"] for pair in written["pairs"] if pair["target"] == target]),
                np.array([row["p_zero"] for row in written["rows"] if row["target"] == target]),
            )
            for target in ("V4", "IT")
        }
    models = list(rdms)
    draws = bootstrap(rdms, teacher().rdms, n=300)
    for target in ("V4", "IT"):
        pairs, zero = found["none"][target]
        np.testing.assert_allclose(found["fdr"][target][0], stats.false_discovery_control(pairs))
        np.testing.assert_allclose(found["fdr"][target][1], stats.false_discovery_control(zero))
        assert (found["fdr"][target][0] > pairs).any()
        noise = []
        for i in range(5):
            for j in range(i + 1, 5):
                d = (draws.sel(layer=models[i], target=target) - draws.sel(layer=models[j], target=target)).values
                noise.append((d - d.mean()) / d.std())
        for k, p in enumerate(pairs):
            reached = 1
            for draw in range(300):
                reached += max(abs(one[draw]) for one in noise) >= stats.norm.isf(p / 2)
            assert found["max"][target][0][k] == pytest.approx(max(reached / 301, p), abs=1e-9)


def test_categories_and_weighted_models_are_models_too(tmp_path: Path) -> None:
    pixels = images().reshape(24, -1).numpy()
    kinds = [str(i % 3) for i in range(24)]
    mean = np.array([np.full(pixels.shape[1], i % 3 / 3.0) for i in range(24)])
    spots = np.random.default_rng(1).normal(size=(3, pixels.shape[1]))[[i % 3 for i in range(24)]]
    labels = [str(i) for i in range(24)]
    target = compute_rdm(pixels + mean + spots, labels=labels)
    target = target.replace(descriptors={"kind": kinds, "half": [str(i < 12) for i in range(24)], "id": labels})
    layers = {"a": compute_rdm(pixels, labels=labels), "b": compute_rdm(spots + 0.1 * pixels, labels=labels)}
    models = {"choosing": layers, "weighted": layers, "kind": "category:kind", "kinds": "category:kind,half"}
    models |= {"none": "category:id", "unknown": "category:colour"}
    found = compare_models(
        models, Teacher.from_rdms("t", {"IT": target}), bootstrap=50, halvings=5, weighted={"weighted": "nnls"}
    )
    rows = {row["model"]: row for row in found.rows}
    truth = [float(kinds[i] != kinds[j]) for i in range(24) for j in range(i + 1, 24)]
    assert rows["kind"]["similarity"] == pytest.approx(np.corrcoef(truth, target.values)[0, 1])
    assert rows["kinds"]["layer"] == "kind"
    assert rows["weighted"]["weighted"] == "nnls"
    assert "another value for every stimulus" in rows["none"]["reason"]
    assert "give stimuli" in rows["unknown"]["reason"]
    (tmp_path / "models.txt").write_text("pixels name=w weighted=nnls\npixels weighted=ridge:0.2\n")
    assert [entry.weighted for entry in listed(f"@{tmp_path / 'models.txt'}")] == ["nnls", "ridge:0.2"]
    for wrong, said in (({"x": "nnls"}, "weighted names x"), ("lasso", "weighted is nnls, ridge")):
        with pytest.raises(RSAError, match=said):
            compare_models(models, Teacher.from_rdms("t", {"IT": target}), weighted=wrong)
