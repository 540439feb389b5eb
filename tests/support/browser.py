"""A headless Chromium, driven by its own protocol over a pipe: no driver, no port.

The protocol is the Chrome DevTools Protocol; its messages are JSON, each ended by a NUL byte.
"""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import threading

import pytest

from support.wait import until

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--mute-audio", "--remote-debugging-pipe",
)


class BrowserError(Exception):
    """What the browser answered instead of a result."""


class Browser:
    """One process, as a context manager. Its profile is its own and goes with it."""

    def __enter__(self):
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            pytest.fail("no browser: these tests need Chromium; install it (Debian: apt-get install chromium) and run again")
        self.profile = tempfile.TemporaryDirectory(prefix="tindra-browser-", ignore_cleanup_errors=True)
        to_read, self.to_browser = pipe()
        self.from_browser, to_write = pipe()
        # It reads from descriptor 3 and writes to descriptor 4.
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}', program, *SWITCHES, f"--user-data-dir={self.profile.name}"],
            pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.profile.name},
        )
        os.close(to_read)
        os.close(to_write)
        self.sent, self.answers, self.events = 0, {}, []
        threading.Thread(target=self.listen, daemon=True).start()
        self.call("Browser.getVersion", timeout_s=60)
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
            self.process.wait(timeout=10)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait(timeout=10)
        os.close(self.to_browser)
        self.profile.cleanup()

    def listen(self):
        with open(self.from_browser, "rb", buffering=0) as pipe_end:
            rest = b""
            while data := pipe_end.read(65536):
                *messages, rest = (rest + data).split(b"\0")
                for message in map(json.loads, messages):
                    if "id" in message:
                        self.answers[message["id"]] = message
                    else:
                        self.events.append(message)

    def call(self, method, timeout_s=30, session=None, **parameters):
        """Calls a method of the protocol and gives its result."""
        self.sent += 1
        number = self.sent
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        answer = until(lambda: self.answers.pop(number, None), timeout_s, f"the browser to answer {method}", interval_s=0.002)
        if "error" in answer:
            raise BrowserError(answer["error"]["message"])
        return answer["result"]

    def page(self, trusts_all=False):
        """An empty page that shares no cookies with others; perhaps one that trusts every certificate."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, context, session)
        if trusts_all:
            page.call("Security.setIgnoreCertificateErrors", ignore=True)
        return page


class Page:
    """A page; what runs in it are expressions of JavaScript."""

    def __init__(self, browser, context, session):
        self.browser, self.context, self.session = browser, context, session
        for domain in ("Page", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        return self.browser.call(method, session=self.session, **parameters)

    def go(self, url):
        """Goes to an address; comes back when the first bytes of its body are here."""
        failed = self.call("Page.navigate", url=url).get("errorText")
        assert failed is None, f"{url}: {failed}"

    def open(self, url):
        """Goes to an address; comes back when the page and its parts are here."""
        self.go(url)
        self.until("document.readyState === 'complete'")

    def run(self, expression):
        """The value of an expression, waiting for it if it is a promise."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise BrowserError(result["exceptionDetails"].get("exception", {}).get("description") or str(result["exceptionDetails"]))
        return result["result"].get("value")

    def until(self, expression, timeout_s=20):
        """Waits until an expression is true, over changes of the document."""

        def is_true():
            try:
                return self.run(f"Boolean({expression})")
            except BrowserError:
                return None  # the document went away, or does not have it yet

        return until(is_true, timeout_s, f"{expression} in the page")

    def logged(self):
        """What the browser said of the page to its developers."""
        entries = [event["params"]["entry"] for event in list(self.browser.events)
                   if event["method"] == "Log.entryAdded" and event.get("sessionId") == self.session]
        return [entry["text"] for entry in entries]

    def until_logged(self, seen=0):
        """Waits until it has said more than it had; gives what is new."""
        return "\n".join(until(lambda: self.logged()[seen:], 10, "the browser to say something"))

    def close(self):
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)


def pipe():
    """Both ends of a pipe, whose numbers leave 3 and 4 free."""
    ends = []
    for end in os.pipe():
        ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10))
        os.close(end)
    return ends
