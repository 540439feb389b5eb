"""Waiting for a condition, with a bound: the only way these tests wait."""

import time


def until(condition, timeout_s=10.0, what="the condition", interval_s=0.01):
    """Returns the condition's first true value; fails, naming it, when the bound has passed."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s for {what}")
        pause(interval_s)


def pause(seconds):
    """Gives the processor away between two looks at a condition."""
    import threading

    threading.Event().wait(seconds)
