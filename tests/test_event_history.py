"""The judge of histories finds what it is there to find."""

import dataclasses

from support.event_history import FAILURE, SUCCESS, History, Seen, judge

WORKING_MAX = 2


def good():
    """Events 1 and 2 ended, 3 was in work at the kill, 4 failed as it should, 5 waits, 6 ran without an answer, 7 did not."""
    history = History(
        accepted={1: "a", 2: "b", 3: "c", 4: "d", 5: "e"}, unanswered={6, 7}, fails={4}, waiting={"e", "of-7"},
        kills_s=[10.0, 20.0],
    )
    runs = [(1, "a", 1.0), (2, "b", 11.0), (3, "c", 9.9), (3, "c", 12.0), (4, "d", 12.5), (6, "f", 13.0)]
    history.runs = [Seen(*run, "ran") for run in runs]
    history.told = [Seen(*run, FAILURE if run[0] == 4 else SUCCESS) for run in runs if run != (3, "c", 9.9)]
    return history


def faults(history):
    return judge(history, WORKING_MAX).faults


def only(history, beginning):
    found = faults(history)
    return len(found) == 1 and found[0].startswith(beginning)


def test_a_good_history_has_no_faults():
    verdict = judge(good(), WORKING_MAX)
    assert (verdict.faults, verdict.runs_twice, verdict.told_twice) == ([], {0: 1}, {})


def test_a_lost_event_is_found():
    history = good()
    history.told = [seen for seen in history.told if seen.number != 1]  # its run alone proves no end
    assert only(history, "lost: event 1, request a")
    history = good()
    history.waiting.remove("e")
    assert only(history, "lost: event 5, request e")


def test_a_phantom_is_found():
    history = good()
    history.runs.append(Seen(8, "h", 5.0, "ran"))
    assert only(history, "phantom: event 8 as request h (ran)")
    history = good()
    history.told.append(Seen(8, "h", 5.0, SUCCESS))
    assert only(history, "phantom: event 8 as request h (success)")
    history = good()
    history.runs.append(Seen(6, "another", 9.0, "ran"))  # the kill at 10 would allow a second run, but not as another request
    assert only(history, "phantom: event 6 was sent once")
    history = good()
    history.waiting.add("never-sent")
    assert only(history, "phantom: 2 requests wait")


def test_an_event_that_ran_under_another_request_is_a_phantom():
    history = good()
    history.runs[0] = dataclasses.replace(history.runs[0], request_id="x")
    assert only(history, "phantom: event 1 as request x")


def test_a_second_run_without_a_kill_is_found():
    history = good()
    history.runs.append(Seen(2, "b", 19.0, "ran"))
    assert only(history, "twice: event 2 ran at 11.000 and 19.000, without a kill")
    history = good()
    history.told.append(Seen(2, "b", 19.0, SUCCESS))
    assert only(history, "twice: event 2 told at 11.000 and 19.000, without a kill")


def test_more_second_runs_than_could_be_in_work_are_found():
    history = good()
    history.accepted.update({number: str(number) for number in (21, 22)})
    for number in (21, 22):
        history.runs += [Seen(number, str(number), at_s, "ran") for at_s in (9.0, 11.0)]
        history.told.append(Seen(number, str(number), 11.0, SUCCESS))
    assert only(history, "twice: 3 events ran again after kill 0")


def test_an_end_of_the_wrong_kind_is_found():
    history = good()
    history.fails.add(1)
    assert only(history, "wrong end: event 1 was told as success, but is a failure")
