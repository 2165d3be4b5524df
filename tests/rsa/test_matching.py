"""Names that two sources spell differently: matched where only one is meant, and said."""

import unicodedata

import numpy as np
import pytest
import torch
from tgsage.rsa import Features, Guidance, RSAError, Stimuli, Teacher, compare, compute_rdm
from tgsage.rsa.labels import respelled
from tgsage.rsa.rdm.comparison import align

NFC, NFD = (unicodedata.normalize(form, "Löwe") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("wanted", "known", "found"),
    [
        (["a.png", "b.JPG"], ["b", "a", "c"], {"a": "a.png", "b": "b.JPG"}),
        (["a", "b"], ["a.png", "b.png"], {"a.png": "a", "b.png": "b"}),
        ([NFC, "b"], [NFD, "b"], {NFD: NFC}),
        ([f"{NFD}.tif"], [NFC], {NFC: f"{NFD}.tif"}),
        (["a", "b"], ["b", "a"], {}),
        (["a.png"], ["a.jpg"], {"a.jpg": "a.png"}),
        (["a.png", "a.jpg"], ["a"], {}),  # which of them?
        (["a"], ["a.png", "a.jpg"], {}),
        (["a.1", "b"], ["a", "b"], {}),  # no suffix of images
        (["a", "a.png"], ["a", "b"], {}),
        (["A.png"], ["a"], {}),
    ],
)
def test_a_name_is_matched_where_no_other_one_is_meant(
    wanted: list[str], known: list[str], found: dict[str, str]
) -> None:
    if found:
        with pytest.warns(UserWarning, match=f"^{len(found)} names are matched although they are spelled differently"):
            assert respelled(wanted, known) == found
    else:
        assert respelled(wanted, known) == found


def test_rdms_and_features_are_aligned_by_names_in_either_spelling() -> None:
    x = np.random.default_rng(0).normal(size=(5, 8))
    names = ["a.png", "b.png", f"{NFD}.png", "d.png", "e.png"]
    order = [3, 1, 4, 0, 2]
    others = ["a", "b", NFC, "d", "e"]
    one, other = compute_rdm(x, labels=names), compute_rdm(x[order], labels=[others[i] for i in order])
    with pytest.warns(UserWarning, match=r"5 labels are matched although .*: 'a' = 'a.png', 'b' = 'b.png'"):
        assert compare(one, other) == pytest.approx(1)
    assert other.labels[0] == "d"
    first, second = Features(x, names), Features(x[order], [others[i] for i in order])
    with pytest.warns(UserWarning, match="5 labels are matched"):
        (a,), (b,) = align({"a": first}, {"b": second})
    np.testing.assert_array_equal(a.values, b.values)
    assert a.labels == b.labels == tuple(names)


def test_what_is_spelled_the_same_on_one_side_is_not_guessed() -> None:
    x = np.random.default_rng(0).normal(size=(4, 8))
    one = compute_rdm(x, labels=["a.png", "a.jpg", "b", "c"], name="photos")
    with pytest.raises(RSAError, match=r"2 only in 'photos' \(a.png, a.jpg\), 2 only in 'b' \(a, d\)$"):
        compare(one, compute_rdm(x, labels=["a", "d", "b", "c"]))
    with pytest.raises(RSAError, match=r"^no label is in both: 'photos' has 'a.png', 'a.jpg', .+'b' has '0'"):
        compare(one, compute_rdm(x), allow_subset=True)


def test_a_teacher_finds_its_images_under_another_spelling() -> None:
    pictures = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    names = ["a.png", "b.png", f"{NFD}.png", "d.png", "e.png"]
    order = [4, 2, 0, 1, 3]
    here = ["a", "b", NFC, "d", "e"]
    stimuli = Stimuli([pictures[i] for i in order], {"stimulus_id": [here[i] for i in order]})
    target = compute_rdm(pictures.flatten(1), labels=names)
    teacher = Teacher.from_rdms("t", {"pixels": target}, stimuli="x", stimulus_ids=names)
    with pytest.warns(UserWarning, match="5 stimuli are matched although they are spelled differently"):
        guide = Guidance(teacher, stimuli, layers="output")
    assert guide(torch.nn.Flatten()).tg == pytest.approx(1)
    assert guide.stimuli.table["stimulus_id"].tolist() == [names[i] for i in order]
    message = r"no stimulus for 5 of 5 .*: the list of conditions has 'a.png', 'b.png', .*, that of stimuli has '0'"
    with pytest.raises(RSAError, match=message):
        Guidance(teacher, Stimuli(list(pictures)), layers="output")
    with pytest.raises(RSAError, match=r"no stimulus for 1 of 5 conditions by stimulus: e.png$"):
        teacher.select(Stimuli(list(pictures), {"stimulus_id": [*names[:4], "x"]}))


def test_a_second_name_of_the_same_form_on_either_side_matches_nothing() -> None:
    assert respelled(["a", "a.png"], ["a.png", "a.jpg"]) == {}
    assert respelled(["a"], ["a.png", "a.jpg"]) == {}
