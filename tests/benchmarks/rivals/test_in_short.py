"""The first screen of the page: its counts are those of a plain loop over the results."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tgsage.benchmarks.pages.experiments import write_page
from tgsage.benchmarks.rivals.analysis import ANY, FREE_LEARNED, Rivals, analyse, write_rivals
from tgsage.benchmarks.rivals.in_short import in_short
from tgsage.benchmarks.rivals.search import compare

from .test_rivals import table
from .test_search import result


@pytest.fixture(scope="module")
def found() -> Rivals:
    return analyse(table(), draws=40)


def cell(text: str, members: str, column: str) -> str:
    """What the first table of a text says of some members."""
    lines = [[part.strip() for part in line.split("|")] for line in text.splitlines() if line.startswith("|")]
    (row,) = [line for line in lines if line[2].startswith(members)]
    return row[lines[0].index(column)]


def test_cases_are_counted_over_tables_members_and_checkpoints(found: Rivals, tmp_path: Path) -> None:
    counts = dict.fromkeys(("P", "size", "free", "free + P"), 0)
    for question in counts:
        for name in ("all", "best quarter"):
            for checkpoint in (0, 100):
                one = found.gain.sel(question=question, population=name, checkpoint=checkpoint, teacher=ANY)
                counts[question] += float(one["low"]) > 0
    assert counts["free + P"] > 0
    text = in_short([found, found], [], tmp_path)
    assert "Of 8 cases, a teacher that was chosen on other members adds" in text
    assert f"adds in {2 * counts['size']} to size (harm in 2), in {2 * counts['P']} to P, " in text
    assert f"in {2 * counts['free']} to free predictors (harm in 2), " in text
    assert f"in {2 * counts['free + P']} to free predictors and P, " in text
    alone = found.single["low"].sel(predictor="P")
    adds = found.gain["low"].sel(question="P", teacher=ANY) > 0
    assert f"In {2 * int((adds & ~(alone > 0)).sum())} of those in which it adds to P" in text
    assert "Every member is trained briefly, with 2 seeds, and evaluated after 0 to 100 training" in text
    nothing = [
        c for c in (0, 100) if found.gain["low"].sel(population="all", question="size", teacher=ANY, checkpoint=c) <= 0
    ]
    assert nothing == [0]
    assert "No teacher adds distinguishably to size here: toy, all (after 0 examples)" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gains.png", "predictors.png"]
    assert "Random RDMs" not in text  # none among these teachers


def test_the_table_shows_what_ranks_and_the_range_of_gains(found: Rivals, tmp_path: Path) -> None:
    text = in_short([found], [], tmp_path)
    last = found.single["spearman"].sel(population="all", checkpoint=100)
    assert cell(text, "all", "P after 100") == f"{float(last.sel(predictor='P')):.2f}"
    assert cell(text, "all", "free") == f"{float(last.sel(predictor=FREE_LEARNED)):.2f}"
    gain = found.gain.sel(population="all", question="free + P", teacher=ANY)
    assert (gain["low"].values > 0).tolist() == [False, True]
    assert cell(text, "all", "TG adds to free + P") == f"**1 of 2** ({float(gain['gain'][1]):+.2f})"


def test_harm_and_random_rdms_are_named(found: Rivals, tmp_path: Path) -> None:
    gain = found.gain.copy(deep=True)
    gain["low"].loc[{"teacher": ANY}] = -0.3
    gain["high"].loc[{"teacher": ANY}] = -0.1
    gain = gain.assign_coords(teacher=["noise 0" if one == "useless" else one for one in gain["teacher"].values])
    gain["low"].loc[{"teacher": "noise 0", "question": "size", "population": "all"}] = 0.1
    gain["high"].loc[{"teacher": "noise 0", "question": "size"}] = 0.2
    gain["low"].loc[{"teacher": "noise 0", "question": "size", "population": "best quarter"}] = -0.1
    about = found.about | {"controls": ["noise 0"]}
    text = in_short([replace(found, gain=gain, about=about)], [], tmp_path)
    assert "in 0 to free predictors and P (harm in 4)" in text
    assert cell(text, "all", "TG adds to free + P") == "0 of 2, harm 2"
    assert "Random RDMs, which know nothing, appear to add to size in 50%, to P in 0%" in text


def test_where_searches_end_stands_beside_it(found: Rivals, tmp_path: Path) -> None:
    write_rivals(tmp_path / "rivals.json", found)
    (tmp_path / "screening.json").write_text(json.dumps(result()))
    write_page(tmp_path / "page.md", [tmp_path / "rivals.json", tmp_path / "screening.json"])
    text = (tmp_path / "page.md").read_text()
    heads = [line for line in text.splitlines() if line.startswith("## ")]
    assert [head[:12] for head in heads] == ["## In short", "## What to c", "## Searches "]
    made = result()
    ends = {row["objective"]: row["top"] for row in compare(made["searches"], made["about"])}
    assert "each search proposes 9 networks and chooses 5. By P, for which 2 of them are trained" in text
    assert f"these reach {ends['P']:.2f}% after 100 examples" in text
    assert f"{ends['free']:.2f}% with weights learned from a pool" in text
    assert "With at most a fifth of P's training (20 examples" in text
    assert f"| free | none | {ends['free']:.2f} |" in text
    assert f"| P | 100 | {ends['P']:.2f} |" in text
    assert "nan" not in text.partition("## What")[0]
    assert np.isfinite(ends["P"])
