"""Text: how it is read and cut, and that it is trained on, resumed, taught and searched as images are."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tgsage.plugins.evaluation.costs import planned_size
from tgsage.plugins.evaluation.objective import Objective
from tgsage.plugins.evaluation.predictors import size_of
from tgsage.plugins.spaces import NASBenchNLP, get_space
from tgsage.plugins.training import (
    Checkpoint,
    Data,
    evaluate_network,
    get_recipe,
    load_data,
    load_network,
    load_stimuli,
    make_network,
    text,
    train,
)
from tgsage.plugins.training.teachers import make_teacher, own_by
from tgsage.rsa import RSAError, Teacher
from tgsage.rsa.cli.app import main
from torch.nn import functional

WORDS = ("the", "cat", "dog", "sat", "ran", "on", "a", "mat")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """70 contexts, in which each word follows from the two before it, but for some."""
    rng, lines, state = np.random.default_rng(0), [], 0
    for _ in range(280):
        line = list[str]()
        for _ in range(8):
            state = (3 * state + len(line)) % 8 if rng.random() < 0.9 else int(rng.integers(8))
            line.append(WORDS[state])
        lines.append(" ".join(line))
    path = tmp_path_factory.mktemp("text") / "a text.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def data(file: Path) -> Data:
    return load_data(f"text:{file}")


def network(data: Data, name: Any = "gru:2x8") -> Any:
    return make_network(name, shape=data.shape, n_classes=data.n_classes)


def test_a_text_is_cut_into_contexts_in_its_order(data: Data, file: Path) -> None:
    words = [word for line in file.read_text().split("\n") for word in [*line.split(), "<eos>"]]
    assert data.shape == (1, 1, 35)
    n = (len(words) - 1) // 35
    assert (len(data.train), len(data.valid), len(data.test)) == (n - 2 * (n // 10), n // 10, n // 10)
    numbers = torch.cat([part.images.flatten() for part in (data.train, data.valid, data.test)]).tolist()
    assert [data.classes[number] for number in numbers] == words[: n * 35]
    following = torch.cat([part.labels.flatten() for part in (data.train, data.valid, data.test)]).tolist()
    assert [data.classes[number] for number in following] == words[1 : n * 35 + 1]
    shown = data.stimuli("valid")
    assert shown.column("stimulus")[0] == f"word-{35 * len(data.train):09d}"
    assert shown.table["text"][0].split() == words[35 * len(data.train) :][:35]
    assert torch.equal(data.preprocess(shown.table["text"][0].replace("<eos>", "\n")), shown[0])
    assert "words: " in data.summary()
    assert "vocabulary of 10" in repr(data)


def test_the_vocabulary_has_the_most_frequent_words_of_the_training_part(file: Path, data: Data) -> None:
    small = load_data(f"text:{file}", size=5)
    words = file.read_text().replace("\n", " <eos> ").split()[: 35 * len(small.train)]
    counts = Counter(word for word in words if word != "<eos>")
    assert small.classes[:2] == ("<unk>", "<eos>")
    assert [counts[word] for word in small.classes[2:]] == sorted(counts.values(), reverse=True)[:3]
    known = torch.tensor([word in small.classes[2:] for word in data.classes])
    assert torch.equal(small.train.images == 0, ~known[data.train.images.long()] & (data.train.images > 1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 1 words; at least 1,051 are needed"),
        (b"word " * 1000, "at least 1,051 are needed"),
        (b"word " * 2000 + b"\xff", "is no UTF-8 text: byte 10,000 is 0xff"),
        (b"word \0" * 2000, "characters of number 0"),
        (b"a" * 3000, "larger than 0 MB"),
        (None, "there is no file"),
    ],
)
def test_a_file_that_is_no_text_is_named_in_one_line(
    content: bytes | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
        if "larger" in message:
            monkeypatch.setattr(text, "_MOST_BYTES", 1000)
    with pytest.raises(RSAError, match=message) as found:
        load_data(f"text:{tmp_path / 'a.txt'}")
    assert "\n" not in str(found.value)
    assert "a.txt" in str(found.value)


def test_a_byte_order_mark_is_no_word_and_parts_can_be_chosen(file: Path, tmp_path: Path) -> None:
    marked = tmp_path / "b.txt"
    marked.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"cat", b"c" * 101))
    found = load_data(f"text:{marked}", validation=3)
    assert len(found.valid) == 3
    assert not any("\ufeff" in word or len(word) > 100 for word in found.classes)
    assert set(found.classes) == {"<unk>", "<eos>", *WORDS} - {"cat"}
    for wrong in ({"validation": 10_000}, {"size": 2}, {"size": 0}):
        with pytest.raises(RSAError):
            load_data(f"text:{marked}", **wrong)  # type: ignore[arg-type]
    with pytest.raises(RSAError, match="needs its file: text:FILE"):
        load_data("text")


def test_each_stream_is_read_in_order_and_every_context_once(data: Data) -> None:
    found = data.streams(20)
    assert found is not None
    order, sizes = found
    assert sorted(order.tolist()) == list(range(len(data.train)))
    steps = [batch.tolist() for batch in torch.split(order, sizes)]
    assert {len(batch) for batch in steps[:-1]} == {20}
    for before, after in pairwise(steps):
        assert after == [place + 1 for place in before[: len(after)]]


def test_losses_are_means_over_words(data: Data) -> None:
    model = network(data)
    found = evaluate_network(model, data)
    with torch.no_grad():
        logits = model.eval()(data.valid.images)
    assert found.loss == pytest.approx(float(functional.cross_entropy(logits, data.valid.labels)), rel=1e-5)
    assert found.accuracy == pytest.approx(float((logits.argmax(1) == data.valid.labels).float().mean()))
    assert data.value(found) == -found.loss


def test_a_training_learns_and_goes_on_exactly_within_an_epoch(data: Data, tmp_path: Path) -> None:
    recipe = get_recipe("text", batch_size=12, schedule="constant", lr=0.02)
    whole, halves = network(data, "lstm:1x8"), network(data, "lstm:1x8")
    done = train(whole, data, recipe, epochs=3, device="cpu")
    assert done.history[-1].loss < done.history[0].loss < 2.5
    part = train(halves, data, recipe, examples=80, device="cpu", checkpoint=tmp_path / "a.pt")
    assert part.examples % len(data.train), "it should stop within an epoch"
    assert len(Checkpoint.load(tmp_path / "a.pt").carried) == 2
    fresh = network(data, "lstm:1x8")
    again = train(fresh, data, recipe, epochs=3, device="cpu", resume=tmp_path / "a.pt", checkpoint=tmp_path / "a.pt")
    assert again.history[-1].loss == done.history[-1].loss
    for one, other in zip(whole.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(load_network(tmp_path / "a.pt").words, whole.words)  # type: ignore[arg-type]


def test_states_of_another_network_are_refused(data: Data, tmp_path: Path) -> None:
    model = network(data)
    for strange in ([torch.zeros(3, 9)] * 2, [torch.zeros(3, 8)], [torch.zeros(1, 1).expand(10**6, 10**6)] * 2):
        with pytest.raises(RSAError, match="states are of another network"):
            model.restore(strange)


def test_an_lstm_teaches_recurrent_candidates(data: Data, tmp_path: Path) -> None:
    teacher = make_teacher(network(data, "lstm:2x8"), data)
    assert (teacher.by, list(teacher.rdms)) == ("stimulus", ["state1", "state2"])
    assert (own_by("lstm", data.name), own_by("resnet:1")) == ("stimulus", "category_name")
    found = load_stimuli(teacher.stimuli)
    assert found.checksum() == teacher.checksum
    settings: dict[str, Any] = {"recipe": get_recipe("text"), "epochs": 0.5, "build": {"embedding": 6}, "device": "cpu"}
    objective = Objective("nas-bench-nlp", data, teacher=teacher, alpha=2.0, costs=["multiply-adds"], **settings)
    one = objective(NASBenchNLP().complete({"nodes": 2, "node2/operation": "tanh", "node1/input_b": "state0"}))
    assert one.p is not None
    assert one.tg is not None
    assert one.loss is not None
    assert one.p == -one.loss
    assert one.score == pytest.approx(one.p + 2 * one.tg)
    assert list(one.table) == ["state1"]
    assert "error" not in one.measured()
    assert one.costs["multiply-adds"] == 35 * (6 * data.n_classes + 2 * 36)


@pytest.mark.parametrize("name", ["rnn-tree2", "nas-bench-nlp"])
def test_sizes_are_known_before_anything_is_built(name: str) -> None:
    space = get_space(name)
    architecture = space.sample(np.random.default_rng(0))
    built = space.build(architecture, n_classes=10)
    found = planned_size(space, architecture, (3, 32, 32))
    assert found == size_of(built, (1, 1, 35))
    assert found.parameters == sum(parameter.numel() for parameter in built.parameters())


def test_commands_take_text_as_they_take_images(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    on = ["--data", f"text:{file}", "--recipe", "text", "--epochs", "1"]
    assert main(["teacher", "train", "t.h5", "--network", "lstm:1x8", *on]) == 0
    assert Teacher.load("t.h5").by == "stimulus"
    assert main(["space", "rnn-tree2", "--sample", "1", "--out", "a.json"]) == 0
    assert "parameters for a vocabulary of 10,000 words" in capsys.readouterr().out
    assert main(["train", "a.json", *on, "--out", "a.pt"]) == 0
    assert main(["evaluate", "a.pt", "--data", f"text:{file}", "--teacher", "t.h5"]) == 0
    shown = capsys.readouterr().out
    assert "minus the loss in nats per word on 7 validation contexts" in shown
    search = ["search", "--space", "rnn-tree2", "--searcher", "random", "--samples", "2", *on, "--teacher", "lstm:1x8"]
    assert main([*search, "--json", "s.json"]) == 0
    scores = [one["evaluation"] for one in json.loads(Path("s.json").read_text())["candidates"]]
    assert [one["score"] == pytest.approx(one["p"] + one["tg"]) for one in scores] == [True, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("search --space cnn10 --recipe text", "cnn10 is for images, not for text"),
        ("search --space rnn-tree --data digits --teacher none", "rnn-tree reads text, not images of 1 x 8 x 8"),
        ("train resnet:1 --recipe text", "resnet:1 is for images, not for text"),
        ("train lstm --data digits", "lstm reads text, not images of 1 x 8 x 8"),
        ("train lstmm --recipe text", "no network is named 'lstmm'"),
        ("train lstm --recipe digits", "recipe digits shifts or mirrors images"),
        ("evaluate lstm --predictors", "free predictors are of networks for images"),
    ],
)
def test_what_does_not_fit_together_ends_in_one_line(
    arguments: str, message: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    given = arguments.split()
    assert main(given if "--data" in given else [*given, "--data", f"text:{file}"]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert message in told[-1]
    assert len(told) == 1
