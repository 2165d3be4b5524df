"""RDMs, reliability, similarity and generalisation over time, against the functions for one window and plain loops."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from tgsage.neural_data import (
    from_arrays,
    rdms_over_time,
    region_rdms,
    reliability_over_time,
    save_recording,
    score_over_time,
    split_half,
    temporal_generalisation,
    time_window,
)
from tgsage.neural_data.over_time import scoring
from tgsage.rsa import RSAError, TimeScore, bootstrap, compare, compute_rdm, interval
from tgsage.rsa.cli.app import main
from tgsage.rsa.plots.time import generalisation_figure, time_figure
from tgsage.rsa.report.time_words import differences_text

IMAGES = [f"image{i:02d}" for i in range(16)]
BINS = [(20.0 * t, 20.0 * t + 20) for t in range(9)]
ONSETS = {"V4": 3, "IT": 5}  # bins
LAYERS = {name: np.random.default_rng(k).normal(size=(16, 14)) for k, name in enumerate(("early", "late", "none"))}


@pytest.fixture(scope="module")
def recording() -> xarray.DataArray:
    """Layer "early" is what V4 shows from bin 3 on, "late" what IT shows from bin 5 on; 6 trials of each image."""
    rng = np.random.default_rng(11)
    shape = {"V4": LAYERS["early"], "IT": LAYERS["late"]}
    rates = rng.normal(size=(96, 28, len(BINS)))
    for k, (region, first) in enumerate(ONSETS.items()):
        rates[:, 14 * k : 14 * k + 14, first:] += np.repeat(shape[region], 6, axis=0)[:, :, None]
    regions = ["V4"] * 14 + ["IT"] * 14
    return from_arrays(
        rates, stimulus_id=np.repeat(IMAGES, 6), region=regions, time_bins=BINS, attrs={"identifier": "toy"}
    )


@pytest.fixture(scope="module")
def score(recording: xarray.DataArray) -> TimeScore:
    return score_over_time(LAYERS, recording, labels=IMAGES, splits=4, bootstrap=200, permutations=400)


def test_rdms_of_windows_are_those_of_time_window(recording: xarray.DataArray) -> None:
    for one in rdms_over_time(recording, width=40, step=20, scale="zscore", splits=3):
        part = time_window(recording, *one.window)
        expected, halves = region_rdms(part, scale="zscore"), split_half(part, scale="zscore", splits=3)
        assert list(one.rdms) == list(expected) == ["V4", "IT"]
        for target, rdm in expected.items():
            np.testing.assert_allclose(one.rdms[target].values, rdm.values, atol=1e-10)
        assert one.halves is not None
        np.testing.assert_allclose(one.halves["r"], halves["r"], atol=1e-10)


def test_reliability_begins_with_the_response(recording: xarray.DataArray) -> None:
    found = reliability_over_time(recording, splits=4, by="stimulus")
    for target, first in ONSETS.items():
        known = found["reliability"].sel(target=target).values
        assert (known[first:] > 0.45).all()
        assert not (known[:first] > 0.4).any()
    assert found["neuroids"].values.tolist() == [[14.0] * 9] * 2


def test_similarities_and_intervals_are_those_of_each_window(score: TimeScore, recording: xarray.DataArray) -> None:
    rdms = {name: compute_rdm(values, labels=IMAGES) for name, values in LAYERS.items()}
    for t in (0, 4, 8):
        targets = region_rdms(time_window(recording, *BINS[t]))
        for target, rdm in targets.items():
            for layer, own in rdms.items():
                here = score.table["similarity"].sel(layer=layer, target=target)[t]
                assert float(here) == pytest.approx(compare(own, rdm), abs=1e-10)
        low, high = interval(bootstrap(rdms, targets, n=200))
        np.testing.assert_allclose(score.table["low"][..., t], low, atol=1e-10)
        np.testing.assert_allclose(score.table["high"][..., t], high, atol=1e-10)


def test_onsets_are_found_where_they_were_put_and_in_order(score: TimeScore) -> None:
    assert score.best_layer == {"V4": "early", "IT": "late"}
    for target, first in ONSETS.items():
        here = score.table.sel(layer=score.best_layer[target], target=target)
        assert float(here["onset"]) == 20 * first + 10
        assert float(here["onset_low"]) <= 20 * first + 10 <= float(here["onset_high"])
        assert float(here["peak"]) > 20 * first
        assert (here["p"][first:] <= 0.05).all()
    assert np.isnan(score.table["onset"].sel(layer="none")).all()
    (row,) = score.latency_differences().to_dict("records")
    assert (row["first"], row["second"], row["difference"]) == ("V4", "IT", 40.0)
    assert row["low"] <= 40 <= row["high"]
    assert row["p"] < 0.05
    with pytest.raises(RSAError, match="latencies are 'onset' and 'peak', not 'end'"):
        score.latency_differences("end")


def test_a_resample_without_a_latency_counts_as_later_than_any(score: TimeScore) -> None:
    draws = score.draws["onset"].copy()
    v4, it = (draws[score.layers.index(score.best_layer[name]), score.targets.index(name)] for name in ("V4", "IT"))
    v4[:], it[:] = 50, 90
    it[: len(it) // 5] = np.nan
    found = replace(score, draws={"onset": draws})
    (row,) = found.latency_differences().to_dict("records")
    assert row["low"] == 40
    assert np.isnan(row["high"])
    assert row["p"] == pytest.approx(2 / (1 + len(it)))
    assert f"IT - V4 {row['difference']:+g} [+40, later]" in differences_text(found)["onset"]
    v4[: len(v4) // 2] = np.nan  # both: such resamples say nothing; V4 alone: it comes last
    (row,) = replace(score, draws={"onset": draws}).latency_differences().to_dict("records")
    assert np.isnan(row["low"])
    assert row["high"] == 40
    late = len(v4) // 2 - len(v4) // 5
    assert row["p"] == pytest.approx(min(1, 2 * (1 + late) / (1 + len(v4) - len(v4) // 5)))


def test_tables_hold_every_window_and_pictures_can_be_drawn(score: TimeScore, tmp_path: Path) -> None:
    frame = score.to_dataframe()
    assert len(frame) == 3 * 2 * 9
    one = frame[(frame.layer == "late") & (frame.target == "IT") & (frame.window_start == 120)].iloc[0]
    assert one.time == 130
    assert one.similarity == float(score.table["similarity"].sel(layer="late", target="IT", time=130))
    assert one.reliability > 0.45
    assert len(score.latencies()) == 6
    assert "onset 70 ms" in repr(score)
    assert json.loads(json.dumps(score.to_dict(), default=str))["windows"][2] == [40.0, 60.0]
    figure = time_figure(score)
    assert [axes.get_title().split(":")[0] for axes in figure.axes[:2]] == ["V4", "IT"]
    figure.savefig(tmp_path / "a.png")


def test_generalisation_compares_one_half_with_the_other(recording: xarray.DataArray) -> None:
    found = temporal_generalisation(recording, splits=3)
    assert found.dims == ("target", "time", "other")
    np.testing.assert_allclose(found.values, found.values.transpose(0, 2, 1), atol=1e-12)
    for k, first in enumerate(ONSETS.values()):
        lasting, before = found.values[k, first:, first:], found.values[k, :first]
        assert lasting.min() > 0.4
        assert np.abs(before).max() < 0.35
    together = temporal_generalisation(recording, splits=0)
    rdms = {one.window: one.rdms["IT"] for one in rdms_over_time(recording)}
    assert float(together[1, 6, 8]) == pytest.approx(compare(rdms[BINS[6]], rdms[BINS[8]]))
    generalisation_figure(found, "toy").canvas.draw()
    once = recording.isel(presentation=slice(0, None, 6))
    with pytest.raises(RSAError, match="0 stimuli were shown twice, and halves need 3"):
        temporal_generalisation(once)
    settings: dict[str, Any] = {"labels": IMAGES, "splits": 0, "bootstrap": 0, "permutations": 0, "targets": "IT"}
    square = score_over_time(LAYERS, once, generalise=True, **settings).generalisation
    assert square is not None
    assert square.attrs["splits"] == 0
    xarray.testing.assert_identical(square, temporal_generalisation(once, splits=0, targets=["IT"]))


def test_shared_noise_of_neighbouring_times_does_not_generalise() -> None:
    rng = np.random.default_rng(3)
    slow = rng.normal(size=(80, 20, 1)) + 0.5 * rng.normal(size=(80, 20, 4))  # of each trial, no signal
    bins = [(10 * t, 10 * t + 10) for t in range(4)]
    noise = from_arrays(slow, stimulus_id=np.repeat(np.arange(20), 4), region="IT", time_bins=bins)
    assert temporal_generalisation(noise, splits=0).values[0, 0, 1:].min() > 0.5
    assert np.abs(temporal_generalisation(noise, splits=4).values).max() < 0.3


def test_windows_without_an_rdm_are_gaps_that_say_why(recording: xarray.DataArray) -> None:
    gaps = recording.copy()
    gaps.values[:, :14, 0] = np.nan  # V4 in the first bin
    gaps.values[:, 14:, 1] = 0.0  # IT in the second
    found = score_over_time(LAYERS, gaps, labels=IMAGES, splits=0, bootstrap=0, permutations=50)
    similar, why = found.table["similarity"].sel(layer="early"), found.table["reason"]
    assert np.isnan(similar.values).sum(axis=1).tolist() == [1, 1]
    assert "V4: 14 of 14 neuroids lack a valid response" in str(why[0, 0].item())
    assert why[1, 1].item()
    assert float(found.table["onset"].sel(layer="early", target="V4")) == 70
    with pytest.raises(RSAError, match="no target has an RDM in any of 9 windows"):
        score_over_time(LAYERS, gaps * np.nan, labels=IMAGES)


def test_over_subjects_each_has_an_rdm_of_its_own(recording: xarray.DataArray) -> None:
    people = recording.assign_coords(animal=("neuroid", np.tile(["Ann", "Bob"], 14)))
    settings: dict[str, Any] = {"labels": IMAGES, "splits": 3, "bootstrap": 40, "over": "subjects"}
    found = score_over_time(LAYERS, people, **settings)
    assert found.targets == ["V4", "IT"]
    assert found.subjects is not None
    assert found.subjects.indexes["subject"].tolist() == ["Ann", "Bob"]
    rdms = {name: compute_rdm(values, labels=IMAGES) for name, values in LAYERS.items()}
    targets = region_rdms(time_window(people, *BINS[6]), level="subregion+animal")
    for target in found.targets:
        each = [compare(rdms["late"], targets[f"{target} {who}"]) for who in ("Ann", "Bob")]
        np.testing.assert_allclose(found.subjects.sel(layer="late", target=target).isel(time=6), each, atol=1e-10)
        assert float(found.table["similarity"].sel(layer="late", target=target)[6]) == pytest.approx(np.mean(each))
    halves = split_half(time_window(people, *BINS[6]), level="subregion+animal", splits=3)["reliability"]
    mean = float(halves.sel(target=["V4 Ann", "V4 Bob"]).mean())
    assert float(found.table["reliability"].sel(target="V4")[6]) == pytest.approx(mean)
    assert found.table["neuroids"].to_numpy().tolist() == [[14.0] * 9] * 2
    time_figure(found).canvas.draw()
    alone = people.assign_coords(animal=("neuroid", ["Ann"] * 14 + ["Ann", "Bob"] * 7))
    with pytest.raises(RSAError, match="target V4 has one animal, Ann; inference over subjects needs at least 2"):
        score_over_time(LAYERS, alone, **settings)
    with pytest.raises(RSAError, match="the neuroids have no column animal"):
        score_over_time(LAYERS, recording, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"targets": "V1"}, "the recording has no target 'V1'; did you mean V4"),
        (
            {"method": "tau-a", "permutations": 10},
            "cluster tests are for pearson, spearman, rho-a, cosine, not 'tau-a'",
        ),
        ({"permutations": 5}, "5 permutations cannot reach p = 0.05"),
        ({"over": "both"}, "over is 'stimuli' or 'subjects', not 'both'"),
        ({"bootstrap": -1}, "bootstrap is a whole number from 0, got -1"),
        ({"recording": "kriegeskorte2008"}, "time bins of a recording, and kriegeskorte2008 holds RDMs"),
        ({"recording": "pixels"}, "time bins of a recording, and pixels is a model"),
    ],
)
def test_what_cannot_be_is_refused(recording: xarray.DataArray, settings: dict[str, object], message: str) -> None:
    asked = {"recording": recording, "labels": IMAGES, "splits": 0, "bootstrap": 0, **settings}
    with pytest.raises(RSAError, match=message):
        score_over_time(LAYERS, **asked)  # type: ignore[arg-type]


def test_the_commands_print_and_write(
    recording: xarray.DataArray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_recording(recording, tmp_path / "toy.nc")
    np.savez(tmp_path / "model.npz", **LAYERS)  # type: ignore[arg-type]
    (tmp_path / "names.txt").write_text("\n".join(IMAGES))
    named = ["--labels", str(tmp_path / "names.txt"), "--splits", "2"]
    command = ["score", str(tmp_path / "model.npz"), "--teacher", str(tmp_path / "toy.nc"), *named]
    written = {name: tmp_path / name for name in ("a.json", "a.png", "a.html", "b.json", "b.png")}
    asked = ["--over-time", "--bins", "40", "20", "--window", "20", "180", "--permutations", "60", "--bootstrap", "20"]
    asked += ["--json", str(written["a.json"]), "--plot", str(written["a.png"])]
    assert main([*command, *asked, "--report", str(written["a.html"])]) == 0
    shown = capsys.readouterr().out
    assert "20-60" in shown
    assert "* V4" in shown
    assert "windows 7 of 40 ms, 20-180 ms" in shown
    found = json.loads(written["a.json"].read_text())
    assert found["windows"][0] == [20.0, 60.0]
    assert np.array(found["similarity"]).shape == (3, 2, 7)
    assert np.array(found["generalisation"]).shape == (2, 7, 7)
    assert "random halves of the presentations of each stimulus, 2 splits" in written["a.html"].read_text()
    asked = ["--over-time", "--splits", "2", "--json", str(written["b.json"]), "--plot", str(written["b.png"])]
    assert main(["data", "describe", str(tmp_path / "toy.nc"), *asked]) == 0
    assert "160-180" in capsys.readouterr().out
    assert np.array(json.loads(written["b.json"].read_text())["generalisation"]).shape == (2, 9, 9)
    assert all(file.stat().st_size > 1000 for file in written.values())
    for extra, words in (
        (["--bins", "40", "20"], "--bins is for --over-time"),
        (["--permutations", "5"], "--permutations is for --over-time"),
        (["--over", "subjects"], "--over is for --over-time"),
        (["--over-time", "--similarity", "cka"], "--over-time compares RDMs in windows, and --similarity cka"),
    ):
        assert main([*command, *extra]) == 2
        assert words in capsys.readouterr().err
    assert main(["data", "describe", str(tmp_path / "toy.nc"), "--bins", "40", "20"]) == 2
    assert "--bins is for --over-time" in capsys.readouterr().err


def test_the_command_takes_subjects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rates = np.random.default_rng(7).normal(size=(12, 18, 5))
    shape = np.random.default_rng(8).normal(size=(12, 18))
    rates[:, :, 2:] += 2 * shape[:, :, None]
    columns, bins = {"monkey": np.repeat([f"m{i}" for i in range(6)], 3)}, BINS[:5]
    made = from_arrays(rates, stimulus_id=IMAGES[:12], region="IT", neuroid=columns, time_bins=bins)
    save_recording(made, tmp_path / "rec.nc")
    (tmp_path / "names.txt").write_text("\n".join(IMAGES[:12]))
    np.savez(tmp_path / "model.npz", own=shape)
    command = ["score", str(tmp_path / "model.npz"), "--teacher", str(tmp_path / "rec.nc"), "--over-time"]
    command += ["--labels", str(tmp_path / "names.txt"), "--over", "subjects", "--splits", "0"]
    written = [tmp_path / name for name in ("a.json", "a.html")]
    extra = ["--subjects", "monkey", "--json", str(written[0]), "--report", str(written[1])]
    assert main([*command, *extra]) == 0
    shown = capsys.readouterr().out
    assert "clusters: at most 10,000 sign flips of the subjects" in shown
    assert "Student's t over at least 6 subjects (for latencies, from 1,000 resamples of the subjects)" in shown
    assert "40-100 (.016)" in shown  # one of 64 flips
    found = json.loads(written[0].read_text())
    assert found["subjects"] == [f"m{i}" for i in range(6)]
    assert np.array(found["by_subject"]).shape == (6, 1, 1, 5)
    assert "Thin lines of its colour are single subjects" in written[1].read_text()
    assert main(command) == 2
    assert "the neuroids have no column animal" in capsys.readouterr().err


def test_ready_features_need_no_torch(tmp_path: Path, recording: xarray.DataArray) -> None:
    """It would take half a gigabyte, and seconds."""
    save_recording(recording, tmp_path / "toy.nc")
    np.savez(tmp_path / "model.npz", **LAYERS)  # type: ignore[arg-type]
    (tmp_path / "names.txt").write_text("\n".join(IMAGES))
    command = ["score", "model.npz", "--teacher", "toy.nc", "--over-time", "--labels", "names.txt", "--splits", "0"]
    command += ["--bootstrap", "0", "--permutations", "0"]
    code = f"from tgsage.rsa.cli.app import main; main({command}); import sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_images_are_decoded_and_layers_kept_as_asked(
    recording: xarray.DataArray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The options that say how images are shown reach the passes, as they do for one window."""
    save_recording(recording, tmp_path / "toy.nc")
    seen: dict[str, Any] = {}

    def passes(*given: object, **settings: Any) -> None:
        seen.update(settings)
        raise RSAError("far enough")

    monkeypatch.setattr(scoring, "score", passes)
    command = ["score", "pixels", "--teacher", str(tmp_path / "toy.nc"), "--over-time", "--splits", "0"]
    assert main([*command, "--loaders", "3", "--cache", str(tmp_path / "kept"), "--cache-gb", "1"]) == 2
    assert (seen["loaders"], seen["cache"].folder) == (3, tmp_path / "kept")
