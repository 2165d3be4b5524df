"""A command's defaults are those of the function behind it."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from tgsage.neural_data import describe, load_teacher
from tgsage.neural_data.commands import data, score, teacher
from tgsage.neural_data.scoring import score as score_model
from tgsage.plugins import Evaluator, Objective
from tgsage.plugins.commands import evaluate, search, train
from tgsage.plugins.commands import teacher as teachers
from tgsage.plugins.searching import explorer
from tgsage.plugins.training import load_data, network_teacher
from tgsage.plugins.training import train as train_network

PAIRS = (
    (data.describe, describe),
    (score.score, score_model),
    (teacher.build, load_teacher),
    (train.train, train_network),
    (train.train, load_data),
    (teachers.train, network_teacher),
    (evaluate.evaluate, Evaluator),
    (search.search, explorer.search),
    (search.search, Objective),
)
# the same default in another form: a file by its name or URL, a flag or a path, text or a sequence, None or 2 epochs
FORMS = {"storage", "resume", "devices", "engine", "epochs", "power"}


@pytest.mark.parametrize(("command", "function"), PAIRS)
def test_defaults_are_the_same_from_python_and_from_the_command_line(
    command: Callable[..., Any], function: Callable[..., Any]
) -> None:
    ours, theirs = (inspect.signature(one).parameters for one in (command, function))
    pairs = {name: (ours[name].default, theirs[name].default) for name in ours if name in theirs}
    assert pairs
    required = inspect.Parameter.empty
    given = {name: pair for name, pair in pairs.items() if pair[0] is not None and pair[1] is not required}
    assert not {name: pair for name, pair in given.items() if pair[0] != pair[1] and name not in FORMS}
