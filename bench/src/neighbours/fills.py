"""Fills /tmp again and again for a second."""

import os
import time


def handler(event, context):
    end = time.monotonic() + 1
    while time.monotonic() < end:
        with open("/tmp/filler", "wb") as file:
            try:
                while time.monotonic() < end:
                    file.write(bytes(1 << 20))
            except OSError:
                pass
        os.unlink("/tmp/filler")
