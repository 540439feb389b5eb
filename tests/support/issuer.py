"""A small issuer of JSON web tokens on loopback."""

import base64
import http.server
import json
import threading
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils


def packed(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value, size=None):
    return packed(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class RsaKey:
    algorithm = "RS256"

    def __init__(self, key_id):
        self.id = key_id
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def public(self):
        numbers = self.private.public_key().public_numbers()
        return {"kid": self.id, "kty": "RSA", "use": "sig", "alg": "RS256", "n": number(numbers.n), "e": number(numbers.e)}

    def sign(self, message):
        return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())


class EllipticKey:
    algorithm = "ES256"

    def __init__(self, key_id):
        self.id = key_id
        self.private = ec.generate_private_key(ec.SECP256R1())

    def public(self):
        numbers = self.private.public_key().public_numbers()
        return {"kid": self.id, "kty": "EC", "crv": "P-256", "x": number(numbers.x, 32), "y": number(numbers.y, 32)}

    def sign(self, message):
        r, s = utils.decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Issuer:
    """Use as a context manager. `asked` lists the paths that were fetched."""

    def __init__(self, *keys):
        self.keys = list(keys)
        self.asked = []
        self.is_failing = False
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked.append(self.path)
                documents = {
                    "/.well-known/openid-configuration": {"issuer": issuer.url, "jwks_uri": issuer.url + "/keys"},
                    "/keys": {"keys": [key.public() for key in issuer.keys]},
                }
                document = documents.get(self.path)
                body = json.dumps(document).encode()
                self.send_response(500 if issuer.is_failing or document is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def token(self, key=None, header=None, **claims):
        """A token that is good unless the claims say otherwise; a claim that is None is left out."""
        key = key or self.keys[0]
        now = int(time.time())
        claims = {"iss": self.url, "aud": "shop", "sub": "somebody", "iat": now, "exp": now + 600, **claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        head = {"alg": key.algorithm, "kid": key.id, "typ": "JWT", **(header or {})}
        message = f"{packed(head)}.{packed(claims)}"
        return f"{message}.{packed(key.sign(message.encode()))}"
