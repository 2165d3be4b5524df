"""A file of every published layout through `data describe`, `score` and `teacher build`, against plain numpy."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tgsage.neural_data import from_arrays, images, save_recording
from tgsage.neural_data.commands.data import data
from tgsage.neural_data.commands.score import score
from tgsage.neural_data.commands.teacher import teacher
from tgsage.rsa import Teacher, load_model
from tgsage.rsa.types import Array
from typer import Typer
from typer.main import get_command

from ..layouts import SITES, Images, majaj_columns, shuffled, write_assembly, write_hvm, write_majaj
from ..recordings import test_readers_table as tables
from ..recordings import test_readers_triple_n as processed
from ..recordings import test_readers_triple_n_trials as sessions
from ..recordings import test_readers_variables as variables
from ..recordings.test_readers_npc_v4 import SESSIONS, write_npc_v4
from ..tvsd_layout import REGIONS, write_trials, write_tvsd

APP = Typer()
APP.command("score")(score)
APP.add_typer(data, name="data")
APP.add_typer(teacher, name="teacher")
PROGRAM = get_command(APP)
RNG = np.random.default_rng(0)
IMAGES = Images(3, 1)
ORDER = shuffled(IMAGES, 2)


@dataclass(frozen=True)
class Case:
    """A file, the options that a user adds, and what plain numpy has: target -> (conditions, mean responses)."""

    path: Path
    names: list[str]
    means: dict[str, Array]
    options: list[str] = field(default_factory=list)
    by: str = "stimulus"


def averaged(trials: Array, shown: list[str] | Array) -> tuple[list[str], Array]:
    """(names, means) of trials by what was shown, without what is missing."""
    names = list(dict.fromkeys(np.asarray(shown).tolist()))
    return names, np.stack([np.nanmean(trials[np.asarray(shown) == name], axis=0) for name in names])


def distances(rows: Array) -> Array:
    r: Array = np.asarray(np.corrcoef(rows))
    return 1 - r[np.triu_indices(len(rows), 1)]


def hvm_images(folder: Path) -> Case:
    responses = write_majaj(folder / "assembly.nc", IMAGES, ORDER)
    six, inferior = IMAGES.variation[ORDER] == 6, [i for i, (_, region, _) in enumerate(SITES) if region == "IT"]
    names, means = averaged(responses[six][:, inferior], IMAGES.ids[ORDER][six])
    options = ["--level", "region", "--where", "variation=6", "--where", "region=IT"]
    return Case(folder / "assembly.nc", names, {"IT": means}, options)


def as_packaged(folder: Path) -> Case:
    """As Papale2025: `subject` for the animal, ids that repeat between animals, a reliability."""
    columns = majaj_columns(IMAGES, ORDER)
    columns["neuroid"] |= {"subject": columns["neuroid"].pop("animal"), "reliability": np.linspace(0.1, 0.8, 8)}
    columns["neuroid"]["neuroid_id"] = np.array([0, 1, 2, 0, 1, 2, 3, 4])
    columns["neuroid"]["region"] = np.array(["V4"] * 4 + ["IT"] * 4)
    del columns["neuroid"]["subregion"], columns["presentation"]["repetition"]
    responses = RNG.normal(size=(8, len(ORDER), 1)).astype(np.float32)
    write_assembly(folder / "assembly.nc", responses, columns, name="THINGS_TVSD_test_Assembly")
    names, means = averaged(responses[:, :, 0].T, IMAGES.ids[ORDER])
    return Case(folder / "assembly.nc", names, {"IT": means[:, 4:]}, ["--where", "reliability>.45"])


def temporal(folder: Path) -> Case:
    """As Li2026 in time: bins of 10 ms from 0 to 300, names of NSD."""
    columns = majaj_columns(IMAGES, ORDER, identity="stimulus_id")
    columns["presentation"]["stimulus_id"] = ids = np.array([f"nsd_{i:05d}" for i in ORDER])
    columns["neuroid"] |= {"region": np.array(["IT"] * 8), "reliability_window": np.arange(8) / 8}
    columns["time_bin"] = {"time_bin_start": np.arange(0, 300, 10), "time_bin_end": np.arange(10, 310, 10)}
    del columns["neuroid"]["subregion"]
    responses = RNG.normal(size=(8, len(ORDER), 30)).astype(np.float32)
    write_assembly(folder / "assembly.nc", responses, columns, name="Li2026_temporal_Assembly")
    names, means = averaged(responses[4:, :, 7:17].mean(axis=2, dtype=float).T, ids)
    return Case(folder / "assembly.nc", names, {"IT": means}, ["--where", "reliability_window>.4"])


def course_file(folder: Path) -> Case:
    made = write_hvm(folder / "ventral_neural_data.hdf5")
    six = made.variation == 6
    means = np.nanmean(made.trials[6], axis=0)
    names = [f"hvm/{i:04d}" for i in np.flatnonzero(six)]
    return Case(
        folder / "ventral_neural_data.hdf5",
        names,
        {"V4": means[:, np.sort(made.v4)], "IT": means[:, np.sort(made.it)]},
        ["--where", "variation=6"],
    )


def tvsd(folder: Path) -> Case:
    made, sites = write_tvsd(folder / "monkeyN", test=5, repeats=3), np.array(REGIONS["monkeyN"])
    means = made.arrays["test_MUA_reps"].mean(axis=0, dtype=float)
    return Case(folder / "monkeyN", made.ids["test"], {name: means[:, sites == name] for name in ("V1", "V4", "IT")})


def tvsd_by_concept(folder: Path) -> Case:
    made, sites = write_tvsd(folder / "monkeyF", concepts=4, each=2, repeats=2), np.array(REGIONS["monkeyF"])
    names, means = averaged(made.arrays["train_MUA"].astype(float), made.concepts["train"])
    reliable = made.arrays["reliab"].mean(axis=0, dtype=float) > 0.3
    options = ["--part", "train", "--by", "object_name", "--where", "reliability>.3", "--where", "region=V4,IT"]
    kept = {name: means[:, (sites == name) & reliable] for name in ("V4", "IT")}
    return Case(made.path, names, kept, options, "object_name")


def tvsd_in_time(folder: Path) -> Case:
    made, sites = write_trials(folder / "monkeyN"), np.array(REGIONS["monkeyN"])
    tb, shown = made.arrays["tb"].ravel(), made.arrays["ALLMAT"][2].astype(int)
    rows, inside = np.flatnonzero(shown), (tb > 50) & (tb <= 150)
    trials = made.arrays["ALLMUA"].transpose(1, 2, 0)[rows][:, made.arrays["mapping"] - 1][:, sites == "V4"]
    names, means = averaged(trials[:, :, inside].mean(axis=2, dtype=float), np.array(made.ids["test"])[shown[rows] - 1])
    return Case(made.path, names, {"V4": means}, ["--where", "region=V4", "--window", "50", "150"])


def triple_n_means(folder: Path) -> Case:
    content = processed.write_processed(folder / processed.NAME)
    sessions.tables(folder)
    names = [f"nsd_{7 * i:05d}" for i in range(1, 1001)]
    means = {"V4": content["response_basic"][2:5, :1000].T}
    return Case(folder / processed.NAME, names, means, ["--level", "region", "--where", "region=V4"])


def triple_n_trials(write: Callable[[Path], Path], sites: slice, region: str, folder: Path) -> Case:
    sessions.tables(folder)
    path = write(folder)
    if region == "V4":
        processed.write_processed(folder / f"Processed_{sessions.STEM}.mat")
    inside = slice(sessions.BEFORE + 70, sessions.BEFORE + 170)
    trials = sessions.RASTER[sites, sessions.NSD, inside].mean(axis=2).T
    names, means = averaged(trials, [f"nsd_{7 * i:05d}" for i in sessions.SHOWN[sessions.NSD]])
    return Case(path, names, {region: means}, ["--where", f"region={region}", "--window", "70", "170"])


def npc_v4(folder: Path) -> Case:
    arrays = write_npc_v4(folder / "npc_v4_data.h5")
    means = np.concatenate([arrays[name].mean(axis=0) for name in SESSIONS], axis=1)
    return Case(folder / "npc_v4_data.h5", [f"naturalistic/{i:04d}" for i in range(6)], {"V4": means})


def nwb_units(folder: Path) -> Case:
    from ..recordings import test_readers_nwb as nwb

    counts = np.array(nwb.counted(0.05, 0.2), float)
    names, means = averaged(counts, nwb.SHOWN)
    sites = [i for i, electrode in enumerate(nwb.ELECTRODES) if nwb.LOCATIONS[electrode] == "V4"]
    options = ["--where", "region=V4", "--window", "50", "200"]
    return Case(nwb.write(folder / "a.nwb"), names, {"V4": means[:, sites]}, options)


def nwb_rasters(folder: Path) -> Case:
    from ..recordings import test_readers_nwb as nwb

    begins = 0.05 + np.arange(nwb.BINS) / nwb.RATE
    inside = [(begins > onset + 0.07 - 1e-6) & (begins < onset + 0.17 - 1e-4) for onset in nwb.ONSETS]
    counts = np.array([nwb.RASTER[rows].sum(axis=0) for rows in inside], float)
    names, means = averaged(counts, [f"{name}.png" for name in nwb.SHOWN])
    return Case(nwb.write_rasters(folder / "a.nwb"), names, {"IT": means}, ["--region", "IT"])


def wide(suffix: str, folder: Path) -> Case:
    frame = tables.wide()
    names, means = averaged(frame[tables.SITES].to_numpy(), frame["image_id"])
    return Case(tables.write(frame, folder / f"table{suffix}"), names, {"V4": means}, ["--region", "V4"])


def long(suffix: str, folder: Path) -> Case:
    rows = tables.long(tables.wide())
    names = list(dict.fromkeys(rows["image_id"]))
    table = rows.pivot_table("rate", "image_id", "neuron", "mean").loc[names]
    means = {"V4": table[tables.SITES[:3]].to_numpy(), "IT": table[tables.SITES[3:]].to_numpy()}
    return Case(tables.write(rows, folder / f"table{suffix}"), names, means)


def arrays(name: str, folder: Path) -> Case:
    path = variables.write(folder / name)
    responses = "neural/resp_all" if name == "a.h5" else "resp_all"
    options = ["--responses", responses, "--stimulus-ids", "shown", "--region", "V4"]
    options += ["--dims", "stimulus,repetition,neuroid"]
    return Case(path, variables.NAMES, {"V4": np.nanmean(variables.TRIALS, axis=1)}, options)


def bare_array(folder: Path) -> Case:
    np.save(folder / "a.npy", variables.TRIALS.transpose(2, 0, 1))
    (folder / "names.txt").write_text("\n".join(variables.NAMES))
    options = ["--stimulus-ids", str(folder / "names.txt"), "--region", "V4", "--dims", "neuroid,stimulus,repetition"]
    return Case(folder / "a.npy", variables.NAMES, {"V4": np.nanmean(variables.TRIALS, axis=1)}, options)


def in_memory(folder: Path) -> Case:
    one = from_arrays(variables.TRIALS, dims=variables.AXES, stimulus_id=variables.NAMES, region="V4")
    save_recording(one, folder / "own.nc")
    return Case(folder / "own.nc", variables.NAMES, {"V4": np.nanmean(variables.TRIALS, axis=1)})


LAYOUTS: dict[str, Callable[[Path], Case]] = {
    "Brain-Score": hvm_images,
    "Brain-Score, as packaged": as_packaged,
    "Brain-Score, in time": temporal,
    "HvM, course file": course_file,
    "TVSD, test": tvsd,
    "TVSD, train by concept": tvsd_by_concept,
    "TVSD, trials": tvsd_in_time,
    "Triple-N, processed": triple_n_means,
    "Triple-N, session": partial(triple_n_trials, sessions.write_session, slice(2, 5), "V4"),
    "Triple-N, GoodUnit": partial(triple_n_trials, sessions.write_good_unit, slice(None), "unassigned"),
    "npc_v4": npc_v4,
    "NWB, units": nwb_units,
    "NWB, rasters": nwb_rasters,
    **{f"wide {suffix}": partial(wide, suffix) for suffix in (".csv", ".parquet", ".xlsx")},
    **{f"long {suffix}": partial(long, suffix) for suffix in (".csv", ".parquet")},
    **{name: partial(arrays, name) for name in variables.FILES},
    "a.npy": bare_array,
    "from_arrays": in_memory,
}


def run(*arguments: object) -> None:
    PROGRAM.main([str(part) for part in arguments], standalone_mode=False)


@pytest.mark.filterwarnings("ignore")  # of pynwb, and of few neuroids
@pytest.mark.parametrize("layout", LAYOUTS)
def test_describe_score_and_build_agree_with_plain_numpy(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = LAYOUTS[layout](tmp_path)
    expected = {target: distances(means) for target, means in case.means.items()}
    features = RNG.normal(size=(len(case.names), 7))
    np.savez(tmp_path / "model.npz", fc=features, labels=np.array(case.names))
    model = distances(features)
    written, built, told = tmp_path / "out.json", tmp_path / "out.h5", [*case.options, "--splits", 0]

    run("data", "describe", case.path, *case.options, "--splits", 2, "--json", written)
    found = json.loads(written.read_text())["targets"]
    for target, means in case.means.items():
        assert (found[target]["neuroids"], found[target]["conditions"]) == means.shape[::-1]

    run("teacher", "build", case.path, built, *told)
    made = Teacher.load(built)
    assert (list(made.rdms), made.by) == (list(expected), case.by)
    for target, values in expected.items():
        rdm = made.rdms[target]
        order = [rdm.labels.index(name) for name in case.names]
        rows = np.triu_indices(len(order), 1)
        np.testing.assert_allclose(rdm.square()[np.ix_(order, order)][rows], values, atol=1e-5)

    for source, options in ((case.path, told), (built, [])):
        run("score", tmp_path / "model.npz", "--teacher", source, *options, "--bootstrap", 0, "--json", written)
        table = json.loads(written.read_text())["table"]["fc"]
        assert table == pytest.approx({t: np.corrcoef(model, v)[0, 1] for t, v in expected.items()}, abs=1e-4)
    assert capsys.readouterr().err == ""


def test_a_folder_of_images_needs_no_table_of_what_the_recording_says_about_them(tmp_path: Path) -> None:
    made = write_tvsd(tmp_path / "monkeyN", concepts=4, each=2, repeats=2)
    names, concepts, pictures = made.ids["train"], made.concepts["train"], RNG.integers(0, 256, (8, 9, 9, 3), np.uint8)
    for name, concept, picture in zip(names, concepts, pictures, strict=True):
        (tmp_path / "images" / concept).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "images" / concept / f"{name}.png")
    written, built = tmp_path / "out.json", tmp_path / "out.h5"
    options = ["--stimuli", tmp_path / "images", "--bootstrap", 0, "--n-features", 0, "--json", written]
    run("teacher", "build", made.path, built, "--part", "train", "--by", "object_name", *options[:2])
    assert Teacher.load(built).checksum == images(tmp_path / "images").checksum()
    preprocess = load_model("pixels")[1]
    features = [preprocess(Image.fromarray(picture)).numpy().ravel() for picture in pictures]
    model, v4 = (averaged(x, concepts)[1] for x in (np.stack(features), made.arrays["train_MUA"][:, 512:768]))
    expected = np.corrcoef(distances(model), distances(v4.astype(float)))[0, 1]
    for source in ([made.path, "--part", "train", "--by", "object_name"], [built]):
        run("score", "pixels", "--teacher", *source, *options)
        found = json.loads(written.read_text())["table"]["output"]["V4"]
        assert found == pytest.approx(expected, abs=1e-4)
