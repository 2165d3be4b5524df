"""The tracker: what is stored comes back, a candidate has one owner, a lost one goes to another."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import optuna
import pytest
from tgsage.plugins import Evaluation
from tgsage.plugins.searching import leases
from tgsage.plugins.searching.candidates import Candidate
from tgsage.plugins.searching.leases import Lease, end_owner, ended, new_owner
from tgsage.plugins.searching.local import Watch
from tgsage.plugins.searching.storage import storage_url
from tgsage.plugins.searching.tracker import Tracker, list_studies
from tgsage.rsa import RSAError

GOOD = Evaluation(p=0.5, tg=0.25, score=0.75, examples=90, table={"a": {"it": 0.25}}, seconds={"train": 1.5})
BAD = Evaluation("failed", "too wide")


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Tracker, Tracker]]:
    """Two workers at one study."""
    with Tracker(tmp_path / "a.db", "one", heartbeat=0.5) as first, Tracker(tmp_path / "a.db", "one") as second:
        yield first, second


def test_what_is_stored_comes_back_elsewhere(two: tuple[Tracker, Tracker]) -> None:
    first, second = two
    for number, evaluation in enumerate([GOOD, BAD, None]):
        assert first.claim(5) == (number, 0)
        first.start(number, {"depth": number, "kind": "max"}, {"entropy": 0.5})
        if evaluation is not None:
            assert first.finish(number, evaluation)
    expected = [
        Candidate(0, "ok", {"depth": 0, "kind": "max"}, GOOD, {"entropy": 0.5}, 0),
        Candidate(1, "failed", {"depth": 1, "kind": "max"}, BAD, {"entropy": 0.5}, 1),
        Candidate(2, "running", {"depth": 2, "kind": "max"}, None, {"entropy": 0.5}, 2),
    ]
    assert second.candidates() == expected
    assert first.candidates() == expected


def test_it_is_an_optuna_study_with_two_attributes_a_candidate(tmp_path: Path) -> None:
    with Tracker(tmp_path / "a.db", "one") as tracker:
        tracker.claim(1)
        tracker.start(0, {"depth": 1})
        tracker.finish(0, GOOD)
    storage = optuna.storages.RDBStorage(storage_url(tmp_path / "a.db"))
    study = optuna.load_study(study_name="one", storage=storage)
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert (study.best_value, study.best_trial.user_attrs["architecture"]) == (0.75, {"depth": 1})
    assert set(study.best_trial.user_attrs) == {"candidate", "architecture", "evaluation"}
    assert study.best_trial.params == {}
    storage.engine.dispose()


def test_every_number_goes_to_one_worker(two: tuple[Tracker, Tracker]) -> None:
    first, second = two
    claims = [tracker.claim(5) for tracker in (first, second, second, first, second)]
    # a worker that asks again for what it already has is given it again
    assert claims == [(0, 0), (1, 0), (1, 0), (0, 0), (1, 0)]
    for tracker, number in ((first, 0), (second, 1)):
        tracker.start(number, {"depth": 1})
        tracker.finish(number, GOOD)
    assert (first.claim(3), second.claim(3)) == ((2, 0), None)


def test_two_workers_with_the_same_view_do_not_both_get_a_number(two: tuple[Tracker, Tracker]) -> None:
    first, second = two
    first._leases.take(1, "elsewhere:1:2:x", None)
    free: list[Lease | None] = [None, first._leases.read(1)[1]]
    for number, lease in enumerate(free):
        assert first._leases.take(number, first.owner, lease)
        assert not second._leases.take(number, second.owner, lease)


def test_a_candidate_given_back_keeps_its_architecture(two: tuple[Tracker, Tracker]) -> None:
    first, second = two
    first.claim(3)
    first.start(0, {"depth": 2})
    first.release(0)
    assert second.candidates()[0].status == "interrupted"
    assert second.claim(3) == (0, 0)
    second.start(0, {"depth": 9})
    assert [(c.status, c.architecture) for c in first.candidates()] == [("running", {"depth": 2})]
    assert second.finish(0, GOOD)
    assert [c.status for c in first.candidates()] == ["ok"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the trackers' own clock shows, `now`."""
    shown = SimpleNamespace(now=1000.0)
    both = SimpleNamespace(monotonic=lambda: shown.now, sleep=time.sleep)
    monkeypatch.setattr("tgsage.plugins.searching.leases.time", both)
    return shown


def set_clock(tracker: Tracker, by: str) -> None:
    """The time at which every lease was renewed, as a clock would have told it that goes wrong."""
    with tracker._leases._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE tgsage_leases SET renewed = datetime('now', ?)", (by,))


@pytest.mark.parametrize("by", ["+0 days", "-9 days", "+9 days"])
def test_a_candidate_of_a_silent_worker_is_taken_over_whatever_the_clocks_say_and_counts_once(
    two: tuple[Tracker, Tracker], clock: SimpleNamespace, by: str
) -> None:
    first, second = two
    second.owner = "elsewhere:1:2:x"
    second.claim(3)
    second.start(0, {"depth": 2})
    set_clock(first, by)
    for _ in range(7):  # the first look begins to wait, 6 heartbeats of 0.5 s follow
        assert first.claim(1) is None
        clock.now += 0.5
    assert first.claim(1) == (0, 0)
    assert first.start(0, {"depth": 2})
    assert not second.finish(0, BAD)
    assert first.finish(0, GOOD)
    assert [(c.number, c.evaluation) for c in second.candidates()] == [(0, GOOD)]


def test_who_was_asleep_takes_nobody_for_dead(two: tuple[Tracker, Tracker], clock: SimpleNamespace) -> None:
    first, second = two
    second.owner = "elsewhere:1:2:x"
    second.claim(1)
    assert first.claim(1) is None
    clock.now += 1e6
    assert first.claim(1) is None


@pytest.mark.parametrize("by", ["-9 days", "+9 days"])
def test_a_beating_worker_keeps_its_candidate_whatever_the_clocks_say(
    two: tuple[Tracker, Tracker], clock: SimpleNamespace, by: str
) -> None:
    first, second = two
    second.owner = "elsewhere:1:2:x"
    second.claim(1)
    for _ in range(30):
        assert first.claim(1) is None
        clock.now += 0.5
        second._leases.renew(0, second.owner)
        set_clock(first, by) if clock.now == 1005.0 else None
    with second.beating():
        before = second._leases.read(0)[0].renewed
        second._heartbeat = 0.01
    with second.beating():
        while second._leases.read(0)[0].renewed == before:
            time.sleep(0.01)


def test_a_worker_that_closed_has_lost_what_it_had(tmp_path: Path) -> None:
    with Tracker(tmp_path / "a.db", "one") as tracker:
        tracker.claim(1)
    with Tracker(tmp_path / "a.db", "one") as tracker:
        assert tracker.claim(1) == (0, 0)


def test_a_death_counts_where_the_worker_died_alone(two: tuple[Tracker, Tracker], tmp_path: Path) -> None:
    parent, _ = two
    for alone, before in ((True, 0), (False, 1), (True, 1), (True, 2)):
        with Tracker(tmp_path / "a.db", "one", owner=new_owner()) as worker:
            assert worker.claim(1) == (0, before)
            parent.bury(worker.owner, alone=alone)
            lease = parent._leases.read(0)[0]
            assert (lease.owner, lease.deaths) == ("", before + alone)
    with Tracker(tmp_path / "a.db", "one", owner=new_owner()) as worker:
        worker.claim(1)
        worker.start(0, {"depth": 1})
        worker.finish(0, GOOD)
        parent.bury(worker.owner, alone=True)
        assert parent._leases.read(0)[0].deaths == 3  # what it had finished was no candidate's fault


def test_an_owner_has_ended_when_its_process_has(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = new_owner()
    machine, number, start, token = mine.split(":")
    assert int(number) == os.getpid()
    assert not ended(mine)
    free = next(one for one in range(4_000_000, 4_194_304) if not Path(f"/proc/{one}").exists())
    assert ended(f"{machine}:{free}:{start}:{token}")
    assert ended(f"{machine}:1:{int(start) + 1}:{token}")  # the number is another process's by now
    assert not ended(f"{machine}:1:{leases._started(1)}:{token}")
    assert not ended(f"{machine}x:{free}:{start}:{token}")
    assert not ended(f"localhost/4026531836:{free}:abc")  # as an earlier version wrote it
    end_owner(mine)
    assert ended(mine)


def test_machines_of_one_name_do_not_take_each_other_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace
) -> None:
    """The same host name, namespace and number of a process, and none of the other's processes to be seen."""
    owners = []
    for boot in "ab":
        monkeypatch.setattr(leases, "_machine", lambda boot=boot: f"localhost/{boot}/4026531836")
        owners.append(new_owner().replace(f":{os.getpid()}:", ":4194303:"))
    with (
        Tracker(tmp_path / "a.db", "one", owner=owners[0]) as first,
        Tracker(tmp_path / "a.db", "one", owner=owners[1]) as second,
    ):
        assert first.claim(1) == (0, 0)
        assert second.claim(1) is None
    monkeypatch.undo()
    assert leases._machine.__wrapped__() == leases._machine() != ""
    boot_id = Path("/proc/sys/kernel/random/boot_id")
    assert not boot_id.exists() or boot_id.read_text().strip() in leases._machine()


def test_another_search_is_told_by_what_differs(two: tuple[Tracker, Tracker]) -> None:
    first, second = two
    first.agree({"space": "toy", "seed": 0, "alpha": 1.0})
    second.agree({"space": "toy", "seed": 0, "alpha": 1.0})
    assert second.description == {"space": "toy", "seed": 0, "alpha": 1.0}
    first.claim(1)
    with pytest.raises(RSAError, match=r"study one .*: seed was 0 and is 1, alpha was 1.0 and is not set, by was not"):
        second.agree({"space": "toy", "seed": 1, "by": "stimulus"})


def test_a_study_in_which_nobody_has_worked_takes_another_description(two: tuple[Tracker, Tracker]) -> None:
    first, second = two
    first.agree({"teacher": "mistyped"})
    first.claim(1)
    first.release(0)  # its objective could not be made
    second.agree({"teacher": "right"})
    assert first.description == {"teacher": "right"}
    first.claim(1)
    first.start(0, {"depth": 1})
    first.release(0)
    with pytest.raises(RSAError, match="teacher was right and is other"):
        second.agree({"teacher": "other"})


def test_who_was_silent_before_it_started_leaves_the_candidate_to_the_one_that_took_it_over(
    two: tuple[Tracker, Tracker],
) -> None:
    first, second = two
    second.owner = "elsewhere:1:2:x"
    second.claim(1)
    first._leases.take(0, first.owner, first._leases.read(0)[0])
    assert not second.start(0, {"depth": 1})
    assert first.claim(1) == (0, 0)
    assert first.start(0, {"depth": 1})
    assert first.finish(0, GOOD)
    assert not second.start(0, {"depth": 1})
    assert len(first._storage.get_all_trials(first._id)) == 1


@pytest.mark.parametrize("write", ["create_new_trial", "set_trial_user_attr", "set_trial_state_values"])
def test_who_sleeps_before_it_writes_while_another_one_takes_over_writes_nothing(
    two: tuple[Tracker, Tracker], monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    first, second = two
    original: Any = getattr(first._storage, write)

    def asleep(*arguments: Any, **settings: Any) -> Any:
        monkeypatch.undo()
        assert first._leases.take(0, second.owner, first._leases.read(0)[0])
        assert second.claim(1) == (0, 0)
        assert second.start(0, {"from": "second"})
        return original(*arguments, **settings)

    first.claim(1)
    monkeypatch.setattr(first._storage, write, asleep)
    started = first.start(0, {"from": "first"})
    assert started is (write != "create_new_trial")
    assert not first.finish(0, BAD)
    assert second.finish(0, GOOD)
    expected = [({"from": "first" if started else "second"}, GOOD)]
    for tracker in two:
        assert [(c.architecture, c.evaluation) for c in tracker.candidates()] == expected
    trials = second._storage.get_all_trials(second._id)
    assert Counter(trial.state.name for trial in trials) == {"COMPLETE": 1}
    assert trials[0].value == GOOD.score


@pytest.mark.parametrize("done", [False, True])
def test_the_last_words_of_a_worker_that_died_while_another_one_looked_are_heard(
    two: tuple[Tracker, Tracker], monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    first, second = two
    first.claim(1)
    look, looks = second._look, []

    def last_words() -> None:
        look()
        looks.append(1)
        if len(looks) == 1:
            first.start(0, {"depth": 1})
            if done:
                first.finish(0, GOOD)
            first.close()

    monkeypatch.setattr(second, "_look", last_words)
    assert second.claim(1) == (None if done else (0, 0))
    if not done:
        assert second.start(0, {"depth": 1})
        assert second.finish(0, GOOD)
    assert [trial.state.name for trial in second._storage.get_all_trials(second._id)] == ["COMPLETE"]


def test_what_finalists_cost_is_kept(two: tuple[Tracker, Tracker]) -> None:
    first, second = two
    assert second.finals == (0, 0)
    first.keep_finals(3, 1200)
    assert second.finals == (3, 1200)


def test_studies_of_a_database_are_listed_and_a_missing_one_is_named(
    two: tuple[Tracker, Tracker], tmp_path: Path
) -> None:
    assert list_studies(tmp_path / "a.db") == ["one"]
    with pytest.raises(RSAError, match="has no study two"):
        Tracker(tmp_path / "a.db", "two", create=False)
    with pytest.raises(RSAError, match=r"b.db: no such file"):
        list_studies(tmp_path / "b.db")
    assert not (tmp_path / "b.db").exists()


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("a.db", "sqlite:///a.db"),
        (Path("/tmp/a.db"), "sqlite:////tmp/a.db"),  # noqa: S108
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("postgresql://me@host/db", "postgresql+psycopg://me@host/db"),
        ("postgresql+psycopg2://me@host/db", "postgresql+psycopg2://me@host/db"),
    ],
)
def test_a_path_is_a_sqlite_file(given: str | Path, url: str) -> None:
    assert storage_url(given) == url


def test_optuna_stays_as_loud_as_it_was(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity()
    with Tracker(tmp_path / "a.db", "one") as tracker:
        tracker.claim(1)
        tracker.start(0, {"depth": 1})
        tracker.finish(0, BAD)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


def test_nobody_takes_a_study_over_while_its_teacher_is_made(tmp_path: Path) -> None:
    with Tracker(tmp_path / "a.db", "s") as first, Tracker(tmp_path / "a.db", "s") as second:
        first.agree({"lr": 0.1})
        assert first._claim_making()
        with pytest.raises(RSAError, match=r"lr was 0\.1 and is 9"):
            second.agree({"lr": 9})
        assert second.description == {"lr": 0.1}


def test_workers_that_end_together_are_no_deaths_of_their_candidates(tmp_path: Path) -> None:
    plan = SimpleNamespace(finished=lambda known: [])
    for alone in (False, True):
        with Tracker(tmp_path / f"{alone}.db", "s") as parent, Tracker(tmp_path / f"{alone}.db", "s") as worker:
            assert worker.claim(1) == (0, 0)
            assert Watch(cast("Any", plan), parent, 2).replaces(worker.owner, "", "signal 9", alone=alone)
            assert parent.claim(1) == (0, int(alone))
