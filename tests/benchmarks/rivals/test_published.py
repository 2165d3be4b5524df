"""The table of rivals: what is published beside what is measured here."""

from dataclasses import replace

from tgsage.benchmarks.rivals.analysis import SUMMED, analyse
from tgsage.benchmarks.rivals.published import published_section

from .test_rivals import table


def test_measured_and_published_values_stand_side_by_side() -> None:
    groups = tuple(["random", "best", "size 1-2"][i % 3] for i in range(60))
    made = table(groups)
    free = {**made.free, "synflow": made.free["depth"]}
    found = analyse(replace(made, space="nasbench201", free=free), draws=20)
    text = published_section(found)
    rows = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    }
    one = found.single.sel(predictor="synflow", population="random").isel(checkpoint=-1)
    here = f"{float(one['spearman']):.2f} [{float(one['low']):.2f}, {float(one['high']):.2f}]"
    assert rows["synflow"][:4] == ["nothing", "0.74 to 0.76", "0.18", here]
    assert rows["rmi-nas"][0] == "a teacher, one batch"
    assert rows["AZ-NAS"] == ["nothing", "0.89", "", "", ""]
    assert rows[SUMMED][0] == "training, a teacher (after 100 examples)"
    assert "over 20 different random networks and 20 of the best tenth" in text.replace("\n", " ")
