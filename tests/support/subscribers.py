"""HTTP endpoints that subscribe to topics, and the check of what they get."""

import base64
import http.server
import json
import threading
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from support.wait import until

ALLOW = 'egress_allow = ["127.0.0.1/32"]\n'
NOTIFICATION = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
CONFIRMATION = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]


class Endpoint:
    """An HTTP server on loopback that keeps what it is sent and answers the statuses it is told, then 200."""

    def __init__(self):
        self.requests, self.statuses = [], []
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                endpoint.requests.append((dict(self.headers.items()), body.decode()))
                self.send_response(endpoint.statuses.pop(0) if endpoint.statuses else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/in"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, count):
        """The requests, once there are as many."""
        until(lambda: len(self.requests) >= count, 20, f"{count} requests, not {self.requests}")
        return self.requests

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def check_signature(message):
    """Fails unless the signature is that of the certificate which the message names, over what AWS signs."""
    names = NOTIFICATION if message["Type"] == "Notification" else CONFIRMATION
    text = "".join(f"{name}\n{message[name]}\n" for name in names if message.get(name) is not None)
    url = message.get("SigningCertURL") or message["SigningCertUrl"]
    certificate = x509.load_pem_x509_certificate(get(url).encode())
    digest = {"1": hashes.SHA1, "2": hashes.SHA256}[message["SignatureVersion"]]()
    certificate.public_key().verify(base64.b64decode(message["Signature"]), text.encode(), padding.PKCS1v15(), digest)


def subscribed(sns, topic, endpoint, **members):
    """Subscribes an endpoint and confirms as it is asked to; returns the subscription's ARN."""
    before = len(endpoint.requests)
    arn = sns.subscribe(
        TopicArn=topic, Protocol="http", Endpoint=endpoint.url, ReturnSubscriptionArn=True, **members)["SubscriptionArn"]
    _, body = endpoint.wait(before + 1)[before]
    assert arn in get(json.loads(body)["SubscribeURL"])
    return arn
