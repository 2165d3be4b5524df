"""The benchmark's own code, on a small file."""

from tgsage.benchmarks.speed.ceilings import build_teacher


def test_a_small_file_goes_from_disk_to_three_ceilings() -> None:
    found = build_teacher(stimuli=40, presentations=1000, splits=3)
    assert 0 < found["seconds to load"] < found["seconds"]
    assert 0 < found["peak GB"] < 1.5
    assert all(0 < found[f"ceiling {region}"] < 1 for region in ("V4", "pIT", "aIT"))
