"""What clients, functions and destinations saw of asynchronous invokes, and whether it may be so.

Each event has a number of its own and is sent once: an event whose answer never came is not sent again, so that every
run and every record can be traced to one request. What must hold of a server that is killed now and then:

* an accepted event ends told to its destination, or still waits: none is lost;
* nothing runs, waits or is told that was not accepted, or sent without an answer: none is a phantom;
* what happened twice was being done when the server was killed: the second time is after a kill, the first before it, and
  no kill has more of them than the server works on at once.
"""

import collections
import dataclasses
import itertools

SUCCESS, FAILURE = "success", "failure"


@dataclasses.dataclass(frozen=True)
class Seen:
    """A run of an event, or the telling of how it ended."""

    number: int
    request_id: str
    at_s: float
    what: str


@dataclasses.dataclass
class History:
    """Everything that is known when all is over. Times are Unix seconds of this machine's clock."""

    accepted: dict = dataclasses.field(default_factory=dict)
    """{number: request id} of the events that were answered with 202."""
    unanswered: set = dataclasses.field(default_factory=set)
    """Numbers of the events whose answer never came, or was that the server failed: they may run."""
    fails: set = dataclasses.field(default_factory=set)
    """Numbers of the events that the function fails on."""
    runs: list = dataclasses.field(default_factory=list)
    told: list = dataclasses.field(default_factory=list)
    waiting: set = dataclasses.field(default_factory=set)
    """Request ids in the queue."""
    kills_s: list = dataclasses.field(default_factory=list)
    """When the server had been killed."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What is wrong, in words (nothing, when all is well), and what was done twice at each kill."""

    faults: list
    runs_twice: dict
    told_twice: dict


def judge(history, working_max):
    """The verdict on a history of a server that works on at most so many events and deliveries at once."""
    runs_twice, run_faults = repeated(history, history.runs, working_max, "ran")
    told_twice, told_faults = repeated(history, history.told, working_max, "told")
    faults = [*lost(history), *phantoms(history), *wrong_ends(history), *run_faults, *told_faults]
    return Verdict(faults, runs_twice, told_twice)


def lost(history):
    told = {seen.request_id for seen in history.told}
    for number, request_id in sorted(history.accepted.items()):
        if request_id not in told and request_id not in history.waiting:
            yield f"lost: event {number}, request {request_id}, was accepted, is not told and does not wait"


def phantoms(history):
    known = set(history.accepted.values())
    unanswered = {}
    for seen in [*history.runs, *history.told]:
        if history.accepted.get(seen.number) == seen.request_id:
            continue
        if seen.number not in history.unanswered:
            yield f"phantom: event {seen.number} as request {seen.request_id} ({seen.what}) was never sent so"
        elif unanswered.setdefault(seen.number, seen.request_id) != seen.request_id:
            yield f"phantom: event {seen.number} was sent once, but is request {seen.request_id} ({seen.what}) as well"
    strangers = history.waiting - known - set(unanswered.values())
    if len(strangers) > len(history.unanswered - set(unanswered)):
        yield f"phantom: {len(strangers)} requests wait that were never accepted, such as {min(strangers)}"


def wrong_ends(history):
    for seen in history.told:
        expected = FAILURE if seen.number in history.fails else SUCCESS
        if seen.what != expected:
            yield f"wrong end: event {seen.number} was told as {seen.what}, but is a {expected}"


def repeated(history, all_seen, working_max, verb):
    """({kill: how many were done again after it}, faults)."""
    by_event = collections.defaultdict(list)
    for seen in all_seen:
        by_event[seen.number].append(seen.at_s)
    twice, faults = collections.Counter(), []
    for number, times in sorted(by_event.items()):
        for first_s, second_s in itertools.pairwise(sorted(times)):
            kill = next((index for index, at_s in enumerate(history.kills_s) if first_s <= at_s), None)
            if kill is None or history.kills_s[kill] > second_s:
                faults.append(f"twice: event {number} {verb} at {first_s:.3f} and {second_s:.3f}, without a kill between")
            else:
                twice[kill] += 1
    for kill, times in twice.items():
        if times > working_max:
            faults.append(f"twice: {times} events {verb} again after kill {kill}, but only {working_max} can be in work")
    return dict(twice), faults
