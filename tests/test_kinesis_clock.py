"""What the time does to streams that run functions, by a clock that the tests move: ages of records, positions in time, windows."""

import datetime
import json

import pytest

from support.local_queues import LocalQueue
from support.server import Server
from support.streams import Mapped, Stream
from support.wait import until
from support.waiting import advance, now_ms

ACCOUNT = "000000000000"
#: Tells what windows are given, and makes its state as large as the last record asks.
WINDOWS = """
import base64, json
def handler(event, context):
    data = [json.loads(base64.b64decode(record["kinesis"]["data"])) for record in event["Records"]]
    shown = {name: event[name] for name in ("window", "isFinalInvokeForWindow", "isWindowTerminatedEarly", "shardId", "eventSourceARN")}
    state = event["state"]
    print("BATCH", json.dumps({"data": data, "count": state.get("count", 0), "ballast": len(state.get("ballast", "")), **shown}))
    ballast = "x" * max([one.get("bytes", 0) for one in data], default=0)
    return {"state": {"count": state.get("count", 0) + len(data), "ballast": ballast}}
"""


@pytest.fixture(scope="module")
def timed():
    with Server(arguments=["--clock", "manual"]) as server:
        yield server


@pytest.fixture
def stream(timed):
    return Stream(timed.client("kinesis"), ACCOUNT)


@pytest.fixture
def mapped(timed):
    made = []

    def make(arn, **members):
        made.append(Mapped(timed, arn, **members))
        return made[-1].settled()

    yield make
    for one in made:
        one.end()


def numbers(function):
    return [[one["n"] for one in batch["data"]] for batch in function.batches()]


def test_a_record_that_fails_for_too_long_is_given_up(timed, stream, mapped):
    told = LocalQueue(timed, f"old-of-{stream.name}")
    stream.put({"n": 1, "fails": "batch"})
    advance(timed, 50)
    stream.put({"n": 2})
    function = mapped(stream.arn, MaximumRecordAgeInSeconds=60, BatchSize=1, DestinationConfig={"OnFailure": {"Destination": told.arn}})
    function.handled(1)
    until(lambda: function.result() == "PROBLEM: Function call failed", what="the failure to be told")
    assert told.records() == [] and numbers(function)[-1] == [1]
    advance(timed, 11)
    [record] = until(told.records, 20, "what is told of the first", 0.05)
    until(lambda: numbers(function)[-1] == [2], 20, "the second to be handled", 0.05)
    assert record["requestContext"]["condition"] == "RecordAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == numbers(function).count([1])
    info = record["KinesisBatchInfo"]
    assert info["batchSize"] == 1 and info["startSequenceNumber"] == function.batches()[0]["Records"][0]["kinesis"]["sequenceNumber"]


def test_records_that_are_too_old_when_they_are_read_never_reach_the_function(timed, stream, mapped):
    told = LocalQueue(timed, f"stale-of-{stream.name}")
    stream.put({"n": 1}, {"n": 2})
    advance(timed, 61)
    stream.put({"n": 3})
    function = mapped(stream.arn, MaximumRecordAgeInSeconds=60, DestinationConfig={"OnFailure": {"Destination": told.arn}})
    function.handled(1)
    [record] = until(told.records, 20, "what is told of the others", 0.05)
    assert numbers(function) == [[3]]
    assert record["requestContext"]["condition"] == "RecordAgeExceeded" and record["KinesisBatchInfo"]["batchSize"] == 2


def test_the_age_of_a_record_ends_its_retries_and_not_those_of_the_next(timed, stream, mapped):
    stream.put({"n": 1, "fails": "batch"})
    advance(timed, 30)
    stream.put({"n": 2, "fails": "batch"})
    function = mapped(stream.arn, MaximumRecordAgeInSeconds=60)
    function.handled(2)
    assert numbers(function)[0] == [1, 2]
    advance(timed, 31)
    until(lambda: [2] in numbers(function), 20, "the second to be tried alone", 0.05)
    advance(timed, 31)
    stream.put({"n": 3})
    until(lambda: numbers(function)[-1] == [3], 20, "the third", 0.05)


def test_reading_begins_at_a_time(timed, stream, mapped):
    stream.put({"n": 1})
    advance(timed, 10)
    at = datetime.datetime.fromtimestamp(now_ms(timed) // 1000, datetime.UTC)
    stream.put({"n": 2})
    advance(timed, 10)
    stream.put({"n": 3})
    function = mapped(stream.arn, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=at)
    assert [one["n"] for one in function.handled(2)] == [2, 3]
    later = datetime.datetime.fromtimestamp(now_ms(timed) // 1000 + 5, datetime.UTC)
    other = mapped(stream.arn, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=later)
    stream.put({"n": 4})
    function.handled(3)
    advance(timed, 10)
    stream.put({"n": 5})
    assert [one["n"] for one in other.handled(1)] == [5], "what comes before the time is left out"


def test_a_time_reaches_back_over_splits(timed, stream, mapped):
    stream.put({"n": 1}, key="a")
    advance(timed, 10)
    at = datetime.datetime.fromtimestamp(now_ms(timed) // 1000, datetime.UTC)
    stream.put({"n": 2}, key="a")
    stream.split()
    stream.put({"n": 3}, key="a")
    stream.put({"n": 4}, key="b")
    function = mapped(stream.arn, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=at)
    seen = [one["n"] for one in function.handled(3)]
    assert sorted(seen) == [2, 3, 4] and seen[0] == 2


def test_windows_end_by_the_clock(timed, stream, mapped):
    function = mapped(stream.arn, code=WINDOWS, TumblingWindowInSeconds=60, BatchSize=2)
    advance(timed, 60 - now_ms(timed) // 1000 % 60)  # the beginning of a window
    stream.put({"n": 1}, {"n": 2}, {"n": 3})
    function.handled(3)
    assert not any(batch["isFinalInvokeForWindow"] for batch in function.batches())
    advance(timed, 30)
    stream.put({"n": 4})
    function.handled(4)
    advance(timed, 40)
    final = until(lambda: [batch for batch in function.batches() if batch["isFinalInvokeForWindow"]], 20, "the window to end", 0.05)
    assert len(final) == 1 and final[0]["count"] == 4 and final[0]["data"] == [] and not final[0]["isWindowTerminatedEarly"]
    stream.put({"n": 5})
    function.handled(5)
    last = function.batches()[-1]
    assert last["count"] == 0 and last["window"]["start"] == final[0]["window"]["end"]


def test_a_state_that_is_too_large_ends_its_window_early(timed, stream, mapped):
    function = mapped(stream.arn, code=WINDOWS, TumblingWindowInSeconds=900, BatchSize=1)
    advance(timed, 900 - now_ms(timed) // 1000 % 900)
    stream.put({"n": 1}, {"n": 2, "bytes": 1_100_000}, {"n": 3})
    function.handled(3)
    batches = function.batches()
    assert [[one["n"] for one in batch["data"]] for batch in batches] == [[1], [2], [], [3]]
    ended = batches[2]
    assert ended["isFinalInvokeForWindow"] and ended["isWindowTerminatedEarly"] and (ended["count"], ended["ballast"]) == (2, 1_100_000)
    assert not any(batch["isWindowTerminatedEarly"] or batch["isFinalInvokeForWindow"] for batch in (*batches[:2], batches[3]))
    assert batches[3]["count"] == 0 and batches[3]["ballast"] == 0, "what follows begins anew"
    assert len({json.dumps(batch["window"]) for batch in batches}) == 1, "in the same span of time"


def test_a_window_ends_with_its_shard(timed, stream, mapped):
    function = mapped(stream.arn, code=WINDOWS, TumblingWindowInSeconds=900)
    advance(timed, 900 - now_ms(timed) // 1000 % 900)
    stream.put({"n": 1})
    function.handled(1)
    [parent] = [shard["ShardId"] for shard in stream.shards()]
    stream.split()
    stream.put({"n": 2})
    function.handled(2)
    first, final, child = function.batches()
    assert (first["shardId"], final["shardId"]) == (parent, parent) and child["shardId"] != parent
    assert final["isFinalInvokeForWindow"] and final["count"] == 1 and child["count"] == 0
