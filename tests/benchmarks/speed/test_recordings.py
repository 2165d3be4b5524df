"""A file of TVSD's size within its time and memory, and the benchmark's own code on a small one."""

import pytest
from tgsage.benchmarks.speed.recordings import build_rdms, score_images


def test_a_small_file_goes_from_disk_to_rdms_by_concept() -> None:
    found = build_rdms(concepts=20)
    assert 0 < found["seconds to load"] < found["seconds"]
    assert found["CPU seconds"] > 0
    assert all(found[f"concepts of {region}"] == 20 for region in ("V1", "V4", "IT"))


def test_features_are_scored_by_every_image_with_the_command() -> None:
    found = score_images(20, {"early": 40, "late": 30})
    assert found["tg"] > 0.1
    assert found["peak GB"] > 0
    assert found["CPU seconds"] > 0


@pytest.mark.slow
def test_a_file_of_the_published_size_takes_less_than_2_gb() -> None:
    found = build_rdms()
    assert found["peak GB"] < 2
    assert found["CPU seconds"] < 30
    assert found["concepts of IT"] == 1854
