"""A server that speaks TLS, with a certificate of its own making."""

import ssl
import subprocess
import tempfile
import urllib.request

from support.server import Server

NAMES = "DNS:localhost,DNS:*.lambda-url.us-east-1.localhost,IP:127.0.0.1"


class TlsServer(Server):
    """Everything that a server is, at an address that begins with https."""

    def __init__(self, **members):
        self.keys = tempfile.TemporaryDirectory(prefix="tindra-keys-")
        self.certificate, key = f"{self.keys.name}/certificate.pem", f"{self.keys.name}/key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=tests", "-addext", f"subjectAltName={NAMES}", "-keyout", key, "-out", self.certificate],
            check=True, capture_output=True, timeout=60,
        )
        super().__init__(arguments=["--tls-cert", self.certificate, "--tls-key", key], **members)
        self.url = f"https://127.0.0.1:{self.port}"

    def http(self, path, **members):
        context = ssl.create_default_context(cafile=self.certificate)
        return urllib.request.urlopen(urllib.request.Request(self.url + path, **members), timeout=30, context=context)

    def client(self, *arguments, **members):
        return super().client(*arguments, verify=self.certificate, **members)

    def __exit__(self, *details):
        super().__exit__(*details)
        self.keys.cleanup()
