"""Keeps eight threads busy for a second."""

import threading
import time


def handler(event, context):
    end = time.monotonic() + 1

    def spin():
        while time.monotonic() < end:
            pass

    threads = [threading.Thread(target=spin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
