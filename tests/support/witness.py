"""Somebody who uses a server while something is done to it."""

import contextlib
import threading
import time

INTERVAL_S = 0.05


@contextlib.contextmanager
def served_meanwhile(server, bound_s=5):
    """Asks again and again; in the end every answer has come, none later than after `bound_s`."""
    stop, waits, failures = threading.Event(), [], []

    def ask():
        while True:
            began = time.monotonic()
            try:
                assert server.http("/_tindra/health").status == 200
            except (OSError, AssertionError) as error:
                failures.append(repr(error))
            waits.append(time.monotonic() - began)
            if stop.wait(INTERVAL_S):
                return

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=60)
    assert waits and not failures, failures[:3]
    assert max(waits) < bound_s, f"an answer took {max(waits):.1f} s"
