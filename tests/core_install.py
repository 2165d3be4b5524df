"""Run by `test_core_install.py` in a process of its own: every public name of rsa and neural_data, and use 1 from the
command line, with what `pip install tgsage` brings and nothing that only an extra does.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import packages_distributions, requires
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

from packaging.requirements import Requirement


def normal(name: str) -> str:
    """A distribution's name as packages compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def core(name: str = "tgsage") -> Iterator[str]:
    """The distributions that `pip install name` brings, itself among them."""
    waiting, seen = [name], set()
    while waiting:
        one = normal(waiting.pop())
        if one in seen:
            continue
        seen.add(one)
        yield one
        for line in requires(one) or ():
            needs = Requirement(line)
            if needs.marker is None or any(needs.marker.evaluate({"extra": extra}) for extra in ("", *needs.extras)):
                waiting.append(needs.name)


BROUGHT = set(core())
ABSENT = {module for module, owners in packages_distributions().items() if BROUGHT.isdisjoint(map(normal, owners))}


class OnlyCore:
    """In the place of one of Python's finders: it does not find what the core install lacks."""

    def __init__(self, finder: Any) -> None:
        self.finder = finder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return None if name.partition(".")[0] in ABSENT else self.finder.find_spec(name, path, target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.finder, name)


sys.meta_path[:] = [OnlyCore(finder) for finder in sys.meta_path]

import numpy as np  # noqa: E402  the finders come first
import tgsage  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from tgsage import neural_data, rsa  # noqa: E402
from tgsage.rsa.cli.app import main  # noqa: E402

HERE = Path.cwd()
RNG = np.random.default_rng(0)
NAMES = [f"i{i:02}" for i in range(12)]
ROWS = {name: RNG.normal(size=(12, 9)) for name in ("a", "b", "c")}
RDMS = {name: rsa.compute_rdm(rows, labels=NAMES) for name, rows in ROWS.items()}
TALL = RNG.normal(size=(2, 60, 5))
FEATURES = {name: rsa.Features(rows, NAMES) for name, rows in ROWS.items()}
TEACHER = rsa.Teacher.from_rdms("teacher", {"V4": RDMS["a"], "IT": RDMS["b"]}, {"V4": (0.8, 0.9), "IT": (0.7, 0.8)})
PICTURES = HERE / "pictures"
PICTURES.mkdir()
for name in NAMES:
    Image.fromarray(RNG.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(PICTURES / f"{name}.png")
SHOWN = neural_data.images(PICTURES)
NETWORK = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 12))
RECORDING = neural_data.from_arrays(
    np.repeat(RNG.random((12, 8, 3)), 4, 0) + RNG.random((48, 8, 3)) / 4,
    stimulus_id=[name for name in NAMES for _ in range(4)],
    region=["V4"] * 8,
    time_bins=[(0, 50), (50, 100), (100, 150)],
    neuroid={"animal": ["x", "y"] * 4, "subregion": ["V4"] * 8},
)
WHOLE = neural_data.time_window(RECORDING, 0, 150)
with (HERE / "trials.csv").open("w") as table:
    print("stimulus_id", *(f"n{j}" for j in range(8)), sep=",", file=table)
    for row, values in zip(WHOLE["stimulus_id"].values, WHOLE.values, strict=True):
        print(row, *values, sep=",", file=table)
TRIALS = [(name, "ab"[i % 2], "ab"[(i + (t % 4 == 0)) % 2]) for i, name in enumerate(NAMES) for t in range(8)]
BEHAVIOR = rsa.Behavior.from_trials(
    "trials", [t[0] for t in TRIALS], [t[2] for t in TRIALS], [t[1] for t in TRIALS], subject=["s", "t"] * 48
)
(HERE / "choices.csv").write_text("image,category,choice\n" + "\n".join(",".join(trial) for trial in TRIALS))
BEHAVIOR_TEST = rsa.BehaviorTest(BEHAVIOR, ["kappa"])
TOOLBOX: Any = SimpleNamespace(  # what rsatoolbox's RDMs hold
    dissimilarities=np.stack([rdm.values for rdm in RDMS.values()]),
    dissimilarity_measure="correlation",
    descriptors={},
    rdm_descriptors={"name": list(RDMS)},
    pattern_descriptors={"stimulus": NAMES},
    n_rdm=3,
    n_cond=12,
)
DRAWS = rsa.bootstrap(RDMS, {"IT": RDMS["c"]}, n=20)
NULL = RNG.normal(size=(40, 6))
np.savez(HERE / "layers.npz", labels=NAMES, layer=ROWS["a"])
(HERE / "thingsvision").mkdir()
np.save(HERE / "thingsvision/features.npy", ROWS["a"])
(HERE / "thingsvision/file_names.txt").write_text("\n".join(f"{name}.png" for name in NAMES))


def recorded() -> None:
    with rsa.record(NETWORK, ["0"]) as activations:
        NETWORK(torch.rand(2, 3, 8, 8))
    assert isinstance(activations, rsa.Activations)


def over_time() -> rsa.TimeScore:
    return neural_data.score_over_time(RDMS, RECORDING, bootstrap=10, permutations=20, splits=2)


def rdm() -> None:
    RDMS["a"].save(HERE / "rdm.h5")
    rsa.RDM.load(HERE / "rdm.h5").to_xarray()
    rsa.RDM.mean(RDMS.values()).to_dataframe()


def saved() -> None:
    neural_data.save_recording(WHOLE, HERE / "recording.nc")
    assert neural_data.load(HERE / "recording.nc").shape == (48, 8)


def scored() -> rsa.TeacherScore:
    found = tgsage.score(RDMS, TEACHER, bootstrap=20)
    found.to_dataframe()
    return found


def simulated() -> Any:
    return neural_data.simulate_hvm(per_object=(0, 0, 1), pixels=32, trials=True, data_dir=HERE)


def test_of_clusters() -> rsa.ClusterTest:
    return rsa.cluster_test(NULL[0] + 2, NULL)


# name -> a call of it, with small data
CALLS: dict[str, Callable[[], object]] = {
    "BEHAVIOR_METRICS": lambda: rsa.BEHAVIOR_METRICS["i1"],
    "BehaviorScore": lambda: BEHAVIOR_TEST(np.tile([0.9, 0.1], (12, 1)), bootstrap=5).to_dict(),
    "BehaviorTest": lambda: rsa.BehaviorTest(BEHAVIOR, ["kappa"]),
    "error_consistency": lambda: rsa.error_consistency([1, 0, 1], [1, 1, 0]),
    "Behavior": lambda: BEHAVIOR.summary(),
    "ModelComparison": lambda: neural_data.compare_models(RDMS, TEACHER, bootstrap=10, halvings=2).to_latex(),
    "RSAError": lambda: rsa.RSAError("x"),
    "TGSageError": lambda: tgsage.TGSageError("x"),
    "Guidance": lambda: rsa.Guidance(TEACHER, SHOWN)(NETWORK),
    "p_plus_tg": lambda: rsa.p_plus_tg(0.5, 0.5),
    "bootstrap": lambda: DRAWS,
    "noise_ceiling": lambda: rsa.noise_ceiling(RDMS),
    "ClusterTest": test_of_clusters,
    "cluster_test": test_of_clusters,
    "permuted_similarities": lambda: rsa.permuted_similarities(RDMS, RDMS, n=10),
    "sign_flip_test": lambda: rsa.sign_flip_test(NULL, n=20),
    "best_layer_interval": lambda: rsa.best_layer_interval(DRAWS),
    "interval": lambda: rsa.interval(DRAWS),
    "layer_differences": lambda: rsa.layer_differences(DRAWS),
    "permutation_test": lambda: rsa.permutation_test(RDMS["a"], RDMS["b"], n=20),
    "standard_error": lambda: rsa.standard_error(DRAWS),
    "Latency": lambda: rsa.latency(range(6), NULL[0] + 2, test_of_clusters()),
    "latency": lambda: rsa.latency(range(6), NULL[0] + 2, test_of_clusters()),
    "crossvalidated_choice": lambda: rsa.crossvalidated_choice(RDMS, {"IT": RDMS["c"]}, n=4),
    "bootstrap_neuroids": lambda: rsa.bootstrap_neuroids(RDMS, ROWS["a"], labels=NAMES, n=10),
    "bootstrap_subjects": lambda: rsa.bootstrap_subjects(RDMS, RDMS, n=10),
    "subject_differences": lambda: rsa.subject_differences(rsa.bootstrap_subjects(RDMS, RDMS, n=10)),
    "read_layers": lambda: rsa.read_layers(HERE / "layers.npz"),
    "from_rsatoolbox": lambda: rsa.from_rsatoolbox(TOOLBOX),
    "read_rsatoolbox": lambda: rsa.read_rsatoolbox(HERE / "them.h5"),
    "to_rsatoolbox": lambda: rsa.to_rsatoolbox(RDMS),
    "write_rsatoolbox": lambda: rsa.write_rsatoolbox(HERE / "them.h5", RDMS),
    "read_thingsvision": lambda: rsa.read_thingsvision(HERE / "thingsvision"),
    "LayerCache": lambda: tgsage.score(NETWORK, TEACHER, SHOWN, bootstrap=0, cache=rsa.LayerCache(HERE / "cache")),
    "extract": lambda: rsa.extract(NETWORK, SHOWN),
    "layer_features": lambda: rsa.layer_features(NETWORK, SHOWN),
    "layer_rdms": lambda: rsa.layer_rdms(NETWORK, SHOWN),
    "Activations": recorded,
    "record": recorded,
    "load_model": lambda: rsa.load_model("torchvision:resnet18@untrained"),
    "Stimuli": lambda: rsa.Stimuli(torch.rand(3, 1, 8, 8)),
    "compare_over_time": lambda: rsa.compare_over_time(
        RDMS, [((0, 9), RDMS), ((9, 18), RDMS)], bootstrap=10, permutations=20
    ),
    "METHODS": lambda: [rsa.compare(RDMS["a"], RDMS["b"], method=method) for method in rsa.METHODS],
    "compare": lambda: rsa.compare(RDMS["a"], RDMS["b"]),
    "compare_all": lambda: rsa.compare_all(RDMS, RDMS),
    "noise_precision": lambda: rsa.noise_precision(ROWS["a"], NAMES[:6] * 2),
    "METRICS": lambda: rsa.METRICS,
    "compute_rdm": lambda: rsa.compute_rdm(
        ROWS["a"], metric="crossnobis", groups=[*NAMES[:6], *NAMES[:6]], folds="aaaaaabbbbbb"
    ),
    "RDM": rdm,
    "write_report": lambda: rsa.write_report(HERE / "report.html", score=scored(), teacher=TEACHER, rdms=RDMS),
    "write_time_report": lambda: rsa.write_time_report(HERE / "time.html", over_time()),
    "compare_subjects_over_time": lambda: rsa.compare_subjects_over_time(
        RDMS,
        [((10.0 * t, 10.0 * t + 10), {"IT": {"x": RDMS["a"], "y": RDMS["b"]}}) for t in range(4)],
        bootstrap=10,
        permutations=20,
    ).to_dataframe(),
    "TeacherScore": scored,
    "pwcca": lambda: rsa.pwcca(*TALL),
    "svcca": lambda: rsa.svcca(*TALL),
    "cka": lambda: rsa.cka(*TALL),
    "Features": lambda: FEATURES["a"].rdm(),
    "procrustes_distance": lambda: rsa.procrustes_distance(*TALL),
    "procrustes_similarity": lambda: rsa.procrustes_similarity(*TALL),
    "ridge_predictivity": lambda: rsa.ridge_predictivity(*TALL, folds=2),
    "Sampled": lambda: rsa.compare_sampled(FEATURES["a"], FEATURES["b"], pairs=100),
    "compare_sampled": lambda: rsa.compare_sampled(FEATURES["a"], FEATURES["b"], pairs=100),
    "SIMILARITIES": lambda: rsa.SIMILARITIES,
    "compare_all_features": lambda: rsa.compare_all_features(FEATURES, FEATURES, similarity="rsa-pearson"),
    "compare_features": lambda: rsa.compare_features(FEATURES["a"], FEATURES["b"]),
    "bootstrap_features": lambda: rsa.bootstrap_features(FEATURES, FEATURES, n=10),
    "Teacher": lambda: TEACHER.save(HERE / "teacher.h5"),
    "TimeScore": over_time,
    "behavior_images": lambda: neural_data.behavior_images(BEHAVIOR, PICTURES),
    "load_behavior": lambda: neural_data.load_behavior(HERE / "choices.csv"),
    "score_behavior": lambda: neural_data.score_behavior("pixels", BEHAVIOR, PICTURES, metrics=["kappa"], bootstrap=5),
    "TrialColumns": lambda: neural_data.TrialColumns.of(["choice=choice"]),
    "DataFile": lambda: neural_data.DataFile,
    "Dataset": lambda: neural_data.list_datasets()[0],
    "fetch": lambda: neural_data.fetch("simulated", data_dir=HERE),
    "images": lambda: SHOWN[0],
    "match_images": lambda: neural_data.match_images(WHOLE, SHOWN),
    "list_datasets": lambda: neural_data.list_datasets(),
    "load": saved,
    "load_rdms": lambda: neural_data.load_rdms(HERE / "absent.mat"),
    "compare_models": lambda: tgsage.compare_models(RDMS, TEACHER, bootstrap=10, halvings=2).to_dataframe(),
    "describe": lambda: neural_data.describe(
        HERE / "trials.csv", layout=neural_data.Layout(region="V4"), splits=2
    ).to_dataframe(),
    "temporal_generalisation": lambda: neural_data.temporal_generalisation(RECORDING, splits=2),
    "WindowRDMs": lambda: list(neural_data.rdms_over_time(RECORDING)),
    "rdms_over_time": lambda: list(neural_data.rdms_over_time(RECORDING)),
    "reliability_over_time": lambda: neural_data.reliability_over_time(RECORDING, splits=2),
    "score_over_time": lambda: over_time().to_dataframe(),
    "time_windows": lambda: neural_data.time_windows(RECORDING),
    "average_repetitions": lambda: neural_data.average_repetitions(WHOLE),
    "region_neuroids": lambda: neural_data.region_neuroids(WHOLE),
    "reliable_neuroids": lambda: neural_data.reliable_neuroids(WHOLE, np.linspace(0, 1, 8)),
    "repeated_stimuli": lambda: neural_data.repeated_stimuli(WHOLE),
    "scale_neuroids": lambda: neural_data.scale_neuroids(ROWS["a"], "zscore"),
    "save_recording": saved,
    "check_recording": lambda: neural_data.check_recording(WHOLE),
    "from_arrays": lambda: RECORDING,
    "time_window": lambda: WHOLE,
    "select": lambda: neural_data.select(WHOLE, "animal=x"),
    "condition_responses": lambda: neural_data.condition_responses(WHOLE),
    "region_features": lambda: neural_data.region_features(WHOLE),
    "region_rdms": lambda: neural_data.region_rdms(WHOLE),
    "leave_one_animal_out": lambda: neural_data.leave_one_animal_out(WHOLE),
    "subject_ceiling": lambda: neural_data.subject_ceiling(RDMS),
    "spearman_brown": lambda: neural_data.spearman_brown([0.5]),
    "split_half": lambda: neural_data.split_half(WHOLE, splits=2),
    "score": lambda: tgsage.score(NETWORK, WHOLE, SHOWN, bootstrap=10, splits=2).to_dataframe(),
    "SCALES": lambda: neural_data.SCALES,
    "Layout": lambda: neural_data.Layout(region="V4"),
    "RegionSettings": lambda: neural_data.RegionSettings(by="stimulus"),
    "hvm_images": lambda: neural_data.hvm_images(per_object=(0, 0, 1), pixels=32, data_dir=HERE)[0],
    "simulate_hvm": simulated,
    "as_teacher": lambda: neural_data.as_teacher(WHOLE, splits=2),
    "load_teacher": lambda: neural_data.load_teacher(HERE / "recording.nc", splits=2),
    "RDM.plot": lambda: RDMS["a"].plot(),
    "TeacherScore.plot": lambda: scored().plot(),
    "TimeScore.plot": lambda: over_time().plot(),
    "ModelComparison.plot": lambda: neural_data.compare_models(RDMS, TEACHER, bootstrap=10, halvings=2).plot(),
}
MODEL = "layers.npz --teacher trials.csv --region V4 --splits 2 --bootstrap 10"
COMMANDS = (
    "data list",
    "data describe trials.csv --region V4 --splits 2",
    "data convert trials.csv native.nc --region V4",
    "teacher build trials.csv teacher.h5 --region V4 --splits 2",
    f"score {MODEL} --json score.json",
    "score pixels --teacher trials.csv --region V4 --stimuli pictures --splits 2 --bootstrap 10",
    "compare layers.npz pixels --teacher trials.csv --region V4 --stimuli pictures --splits 2 --bootstrap 10"
    " --csv models.csv",
    f"score {MODEL} --plot score.png",
    f"score {MODEL} --report score.html",
    "score efficientnet_lite0 --teacher trials.csv --region V4 --stimuli pictures",
    "score timm:resnet18 --teacher trials.csv --region V4 --stimuli pictures",
    "score hf:vit@untrained --teacher trials.csv --region V4 --stimuli pictures",
    "score open_clip:ViT-B-32@untrained --teacher trials.csv --region V4 --stimuli pictures",
    "score pixels --teacher trials.parquet --stimuli pictures",
    "score pixels --teacher trials.xlsx --stimuli pictures",
    "search --samples 1",
)
(HERE / "trials.parquet").write_bytes(b"PAR1" * 8)
with ZipFile(HERE / "trials.xlsx", "w") as book:
    book.writestr("xl/workbook.xml", "<workbook/>")


def said(call: Callable[[], object]) -> str:
    """What it fails with, in the words of its error; "" where it does not."""
    try:
        call()
    except Exception as error:
        return str(error) if isinstance(error, rsa.RSAError) else f"{type(error).__name__}: {error}"
    return ""


def typed(line: str) -> list[int | str]:
    """A command's exit code and what it writes to stderr."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as errors:
        code = main(line.split())
    return [code, errors.getvalue()]


if __name__ == "__main__":
    found = {"calls": {name: said(call) for name, call in CALLS.items()}, "commands": {c: typed(c) for c in COMMANDS}}
    print(json.dumps(found))
