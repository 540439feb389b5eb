"""TLS: names and their certificates, renewal while the server runs, and the certificate of `tindra dev --tls`."""

import os
import re
import signal
import ssl
import socket
import subprocess

import boto3
import pytest

from support.server import BINARY, RUNTIMES, Server
from support.wait import until


def make_certificate(directory, stem, name):
    """A certificate that signs itself; (certificate file, key file)."""
    certificate, key = directory / f"{stem}.pem", directory / f"{stem}-key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )
    return certificate, key


def shown_certificate(port, name):
    """The certificate that the server shows to who asks for a name, as PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=name) as stream:
            return ssl.DER_cert_to_PEM_cert(stream.getpeercert(binary_form=True))


def same(pem, path):
    return pem.split() == path.read_text().split()


class TlsServer(Server):
    """A server whose own clients trust its certificate."""

    def __init__(self, certificate, key, config=""):
        super().__init__(config=config, arguments=["--spares-max", "0", "--tls-cert", str(certificate), "--tls-key", str(key)])
        self.certificate = certificate
        self.url = f"https://127.0.0.1:{self.port}"

    def http(self, path, **kwargs):
        import urllib.request

        context = ssl.create_default_context(cafile=self.certificate)
        return urllib.request.urlopen(urllib.request.Request(self.url + path, **kwargs), timeout=30, context=context)


@pytest.fixture
def named(tmp_path):
    """(server, files by name): one certificate for everybody, one for api.example.com."""
    files = {name: make_certificate(tmp_path, name, name) for name in ["localhost", "api.example.com"]}
    certificate, key = files["api.example.com"]
    config = f'[[domains]]\nname = "api.example.com"\nfunction = "hello"\ntls_cert = "{certificate}"\ntls_key = "{key}"\n'
    with TlsServer(*files["localhost"], config=config) as server:
        yield server, files


def test_each_name_has_its_certificate(named):
    server, files = named
    for asked, expected in [("api.example.com", "api.example.com"), ("localhost", "localhost"), ("b.example.com", "localhost")]:
        assert same(shown_certificate(server.port, asked), files[expected][0]), asked


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "by itself"])
def test_renewed_certificates_are_taken_and_wrong_ones_are_not(named, tmp_path, is_told):
    server, files = named
    certificate, key = files["api.example.com"]
    before = certificate.read_text()
    good_key = key.read_text()
    key.write_text("half a k")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "those before stay in use" in server.output(), 20, "the server to say that it stays with the old one")
    assert shown_certificate(server.port, "api.example.com").split() == before.split()
    key.write_text(good_key)
    with server.http("/_tindra/health") as open_before:
        make_certificate(tmp_path, "api.example.com", "api.example.com")
        if is_told:
            server.process.send_signal(signal.SIGHUP)
        until(lambda: same(shown_certificate(server.port, "api.example.com"), certificate), 20, "the new certificate")
        assert open_before.read()
    assert certificate.read_text() != before


def test_a_server_with_unusable_certificates_does_not_start_and_says_why(tmp_path):
    certificate, key = make_certificate(tmp_path, "a", "localhost")
    other = make_certificate(tmp_path, "b", "localhost")[1]
    for files, expected in [((certificate, other), "failed to use the certificate"), ((certificate, tmp_path / "c"), "failed to read a private key")]:
        result = subprocess.run(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--data", tmp_path / "data", "--tls-cert", files[0], "--tls-key", files[1]],
            capture_output=True, text=True, timeout=30,
        )
        assert result.returncode != 0 and expected in result.stderr, result.stderr


@pytest.fixture
def dev(tmp_path):
    """`tindra dev --tls`: (its URL, the authority's file)."""
    folder = tmp_path / "hello"
    folder.mkdir()
    (folder / "app.py").write_text("def handler(event, context):\n    return event\n")
    shown, told = tmp_path / "stdout", tmp_path / "stderr"
    with shown.open("w") as out, told.open("w") as err:
        process = subprocess.Popen(
            [BINARY, "dev", folder, "--tls", "--listen", "127.0.0.1:0", "--runtimes", RUNTIMES],
            stdout=out, stderr=err, stdin=subprocess.DEVNULL, env={**os.environ, "TINDRA_DATA": str(tmp_path / "data")},
        )
    try:
        until(lambda: "Ctrl-C ends it" in told.read_text() or process.poll() is not None, 60, "dev to be ready")
        assert process.poll() is None, told.read_text()
        authority = re.search(r"NODE_EXTRA_CA_CERTS=(\S+)", told.read_text())[1]
        yield re.search(r"https://127\.0\.0\.1:\d+", shown.read_text())[0], authority
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=40) == 0


NODE_CLIENT = """
const client = require("http2").connect(process.argv[1]);
client.on("error", (error) => { console.error(error); process.exit(1); });
const request = client.request({ ":path": "/_tindra/health" });
request.on("response", (head) => console.log(head[":status"])).on("end", () => client.close()).resume();
"""


def test_every_client_takes_the_development_certificate(dev):
    url, authority = dev
    assert os.stat(os.path.join(os.path.dirname(authority), "ca-key.pem")).st_mode & 0o777 == 0o600
    client = boto3.client(
        "lambda", endpoint_url=url, region_name="us-east-1", verify=authority, aws_access_key_id="test", aws_secret_access_key="test"
    )
    assert client.invoke(FunctionName="hello", Payload=b'{"a": 1}')["Payload"].read() == b'{"a": 1}'
    port = url.rpartition(":")[2]
    for host in ["127.0.0.1", "localhost", "abc.lambda-url.us-east-1.localhost", "abc.execute-api.us-east-1.localhost"]:
        result = subprocess.run(
            ["curl", "--silent", "--show-error", "--cacert", authority, "--resolve", f"{host}:{port}:127.0.0.1", "--output", "/dev/null",
             "--write-out", "%{http_version}", f"https://{host}:{port}/"],
            capture_output=True, text=True, timeout=30,
        )
        assert (result.returncode, result.stdout) == (0, "2"), f"{host}: {result.stderr}"
    node = subprocess.run(
        ["node", "-e", NODE_CLIENT, f"https://localhost:{port}"],
        capture_output=True, text=True, timeout=30, env={**os.environ, "NODE_EXTRA_CA_CERTS": authority},
    )
    assert node.stdout.strip() == "200", node.stderr
    arguments = [BINARY, "invoke", "hello", "--endpoint-url", url]
    tindra = subprocess.run(arguments, capture_output=True, text=True, timeout=30, env={**os.environ, "AWS_CA_BUNDLE": authority})
    assert tindra.returncode == 0, tindra.stderr
    untrusting = subprocess.run(arguments, capture_output=True, text=True, timeout=30, env={**os.environ, "AWS_CA_BUNDLE": ""})
    assert untrusting.returncode != 0 and "AWS_CA_BUNDLE" in untrusting.stderr
