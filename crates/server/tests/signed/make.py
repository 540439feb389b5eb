"""Writes the signed requests of this directory with botocore's own signer, at a fixed time.

Run it again only to add cases: python3 make.py
"""

import datetime
import pathlib
from unittest import mock

from botocore import auth, awsrequest, credentials

NOW = datetime.datetime(2026, 11, 23, 9, 0, 0)
KEY = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SESSION = ("ASIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYSESSIONKEY", "a/session+token==")
HOST = "tindra.test:4566"
ARN = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Ahello"

CASES = {
    "list": ("GET", "/2015-03-31/functions?MaxItems=10&FunctionVersion=ALL", {}, b"", KEY, "lambda"),
    "invoke": ("POST", "/2015-03-31/functions/hello/invocations", {"X-Amz-Log-Type": "Tail"}, b'{"a": "\xc3\xa4"}', KEY, "lambda"),
    "invoke_arn": ("POST", f"/2015-03-31/functions/{ARN}/invocations?Qualifier=%24LATEST", {}, b"{}", KEY, "lambda"),
    "session": ("GET", "/2015-03-31/functions", {}, b"", SESSION, "lambda"),
    "session_function": ("GET", "/2015-03-31/functions/hello", {}, b"", SESSION, "lambda"),
    "logs": ("POST", "/", {"X-Amz-Target": "Logs_20140328.DescribeLogGroups", "Content-Type": "application/x-amz-json-1.1"}, b"{}", KEY, "logs"),
}


class FixedTime(datetime.datetime):
    """The clock that the signer sees."""

    @classmethod
    def utcnow(cls):
        return NOW

    @classmethod
    def now(cls, tz=None):
        return NOW.replace(tzinfo=tz)


def main():
    for name, (method, path, headers, body, key, service) in CASES.items():
        request = awsrequest.AWSRequest(method=method, url=f"http://{HOST}{path}", headers=headers, data=body)
        with mock.patch("botocore.auth.get_current_datetime", lambda *_, **__: NOW, create=True), mock.patch(
            "datetime.datetime", FixedTime
        ):
            auth.SigV4Auth(credentials.Credentials(*key), service, "us-east-1").add_auth(request)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        head = "\r\n".join(lines) + "\r\n\r\n"
        pathlib.Path(__file__).with_name(f"{name}.http").write_bytes(head.encode() + body)


if __name__ == "__main__":
    main()
