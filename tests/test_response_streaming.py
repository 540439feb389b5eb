"""InvokeWithResponseStream: bytes reach the caller as the function writes them, bounded, and with an honest end."""

import json
import pathlib
import socket
import time

import pytest

from support import packages
from support.metrics import environments
from support.wait import until

STREAM = packages.node("""
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
  stream.setContentType('text/plain');
  stream.write('first');
  await pause(event.pause_ms ?? 0);
  if (event.fail) throw new RangeError('in the middle');
  if (event.exit) process.exit(3);
  if (event.kilobytes) {
    const chunk = Buffer.alloc(65536, 'x');
    for (let left = event.kilobytes * 1024; left > 0; left -= chunk.length) {
      if (!stream.write(chunk)) await new Promise((resolve) => stream.once('drain', resolve));
    }
  }
  stream.write('last');
  stream.end();
});
""")


@pytest.fixture(scope="module")
def streaming(server):
    """Invokes a function that streams, and gives the response."""
    client = server.client("lambda")
    name = "streaming"
    client.create_function(
        FunctionName=name, Runtime="nodejs22.x", Handler="index.handler", Code={"ZipFile": STREAM}, Timeout=30,
        Role="arn:aws:iam::000000000000:role/streaming", MemorySize=256,
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    yield lambda event, **members: client.invoke_with_response_stream(
        FunctionName=name, Payload=json.dumps(event), **members
    )
    client.delete_function(FunctionName=name)


def parts(response):
    """The bytes of the answer and its end."""
    data, end = b"", None
    for event in response["EventStream"]:
        assert end is None, "nothing comes after the end"
        data += event.get("PayloadChunk", {}).get("Payload", b"")
        end = event.get("InvokeComplete")
    return data, end


def busy(server):
    return [one for one in environments(server) if one.get("function") == "streaming" and one["state"] == "busy"]


def test_the_first_bytes_come_before_the_function_ends(server, streaming):
    streaming({})["EventStream"].close()
    response = streaming({"pause_ms": 1500})
    events = iter(response["EventStream"])
    assert next(events)["PayloadChunk"]["Payload"] == b"first"
    assert busy(server), "the function still runs"
    rest = list(events)
    assert b"".join(event["PayloadChunk"]["Payload"] for event in rest[:-1]) == b"last"
    assert rest[-1] == {"InvokeComplete": {}}
    assert response["ExecutedVersion"] == "$LATEST"
    assert response["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"


def test_what_breaks_in_the_middle_is_told_at_the_end(streaming):
    data, end = parts(streaming({"fail": True, "pause_ms": 50}, LogType="Tail"))
    assert data == b"first" and end["ErrorCode"] == "Unhandled"
    details = json.loads(end["ErrorDetails"])
    assert details["errorType"] == "RangeError" and details["errorMessage"] == "in the middle"
    assert end["LogResult"]
    data, end = parts(streaming({"exit": True, "pause_ms": 50}))
    assert data == b"first" and json.loads(end["ErrorDetails"])["errorType"] == "Runtime.ExitError"
    assert parts(streaming({}))[0] == b"firstlast", "the next one is served"


def test_functions_that_answer_whole_come_as_one_chunk(python_function):
    function = python_function("def handler(event, context):\n    return 1 / event['by']\n")
    stream = function.client.invoke_with_response_stream
    assert parts(stream(FunctionName=function.name, Payload='{"by": 2}')) == (b"0.5", {})
    data, end = parts(stream(FunctionName=function.name, Payload='{"by": 0}'))
    assert data == b"" and end["ErrorCode"] == "Unhandled" and "ZeroDivisionError" in end["ErrorDetails"]
    assert function.client.invoke_with_response_stream(
        FunctionName=function.name, InvocationType="DryRun"
    )["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_invoke_gathers_a_stream_up_to_its_limit(server, streaming):
    client = server.client("lambda")
    assert client.invoke(FunctionName="streaming", Payload="{}")["Payload"].read() == b"firstlast"
    answer = client.invoke(FunctionName="streaming", Payload=json.dumps({"kilobytes": 7000}))
    assert json.loads(answer["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"


def test_six_megabytes_are_fast_and_the_rest_has_a_pace(streaming):
    started = time.monotonic()
    data, end = parts(streaming({"kilobytes": 10 * 1024}))
    took_s = time.monotonic() - started
    assert len(data) == 9 + 10 * 1024 * 1024 and end == {}
    assert took_s > 1.5, "four megabytes beyond the burst take two seconds"


def memory_kb(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def raw(server, event):
    """A client that sends a request for a stream and reads only what the test reads."""
    body = json.dumps(event).encode()
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(
        b"POST /2021-11-15/functions/streaming/response-streaming-invocations HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    return connection


def test_a_slow_reader_costs_no_memory_and_one_that_goes_ends_nothing(server, streaming):
    streaming({})["EventStream"].close()
    before_kb = memory_kb(server)
    readers = [raw(server, {"kilobytes": 20 * 1024}) for _ in range(8)]
    for reader in readers:
        assert reader.recv(12) == b"HTTP/1.1 200"
    until(lambda: len(busy(server)) >= 8, 20, "all eight functions wait for their readers")
    assert memory_kb(server) - before_kb < 60_000, "what is not read is not kept"
    assert parts(streaming({}))[0] == b"firstlast", "others are served"
    for reader in readers:
        reader.close()
    until(lambda: not busy(server), 20, "functions whose readers have gone run to their ends")
