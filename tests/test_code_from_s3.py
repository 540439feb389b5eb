"""Code and layers are read from S3, or from what speaks its language (moto here)."""

import http.server
import ssl
import subprocess
import threading
import time

import pytest

from support import packages
from support.errors import error_of
from support.moto import KEYS, Moto
from support.server import ROLE, Server, free_port

BUCKET = "code-for-tests"


def code(word):
    return packages.python(f"def handler(event, context):\n    return {word!r}\n")


@pytest.fixture(scope="module")
def s3():
    """An S3 with one versioned bucket; the client's own endpoint says where it is."""
    with Moto() as moto:
        moto.s3.create_bucket(Bucket=BUCKET)
        moto.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield moto.s3


@pytest.fixture(scope="module")
def server(s3):
    with Server(config=f's3_endpoint = "{s3.meta.endpoint_url}"\n', environment=KEYS) as running:
        yield running


@pytest.fixture
def create(server):
    client = server.client("lambda")
    names = []

    def make(**location):
        name = f"from-s3-{len(names)}"
        members = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE, "Code": location}
        created = client.create_function(FunctionName=name, **members)
        names.append(name)
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})
        return name, created

    yield make
    for name in names:
        client.delete_function(FunctionName=name)


def invoke(server, name):
    return server.client("lambda").invoke(FunctionName=name)["Payload"].read()


def test_code_comes_from_an_object_and_from_a_version_of_it(s3, server, create):
    key = "folder/a b+c (1).zip"
    old = s3.put_object(Bucket=BUCKET, Key=key, Body=code("old"))["VersionId"]
    s3.put_object(Bucket=BUCKET, Key=key, Body=code("new"))
    name, created = create(S3Bucket=BUCKET, S3Key=key)
    assert created["CodeSize"] == len(code("new"))
    assert invoke(server, name) == b'"new"'
    name, _ = create(S3Bucket=BUCKET, S3Key=key, S3ObjectVersion=old, S3ObjectStorageMode="COPY")
    assert invoke(server, name) == b'"old"'

    client = server.client("lambda")
    client.update_function_code(FunctionName=name, S3Bucket=BUCKET, S3Key=key)
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})
    assert invoke(server, name) == b'"new"'


def test_layers_come_from_objects(s3, server, create):
    s3.put_object(Bucket=BUCKET, Key="layer.zip", Body=packages.package({"python/greeting.py": "WORD = 'hi'\n"}))
    client = server.client("lambda")
    layer = client.publish_layer_version(LayerName="from-s3", Content={"S3Bucket": BUCKET, "S3Key": "layer.zip"})
    body = packages.python("from greeting import WORD\ndef handler(event, context):\n    return WORD\n")
    s3.put_object(Bucket=BUCKET, Key="uses.zip", Body=body)
    name, _ = create(S3Bucket=BUCKET, S3Key="uses.zip")
    client.update_function_configuration(FunctionName=name, Layers=[layer["LayerVersionArn"]])
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})
    assert invoke(server, name) == b'"hi"'


def refusal(server, **location):
    return error_of(
        server.client("lambda").create_function, FunctionName="refused", Runtime="python3.12", Handler="app.handler",
        Role=ROLE, Code=location,
    )


def test_what_s3_refuses_is_told_in_its_words(s3, server):
    invalid = "InvalidParameterValueException"
    assert refusal(server, S3Bucket=BUCKET, S3Key="missing.zip") == (
        invalid,
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
        400,
    )
    assert refusal(server, S3Bucket="missing-bucket", S3Key="a.zip")[:2] == (
        invalid,
        "Error occurred while GetObject. S3 Error Code: NoSuchBucket. "
        "S3 Error Message: The specified bucket does not exist",
    )
    s3.put_object(Bucket=BUCKET, Key="bad.zip", Body=b"this is no zip")
    error = refusal(server, S3Bucket=BUCKET, S3Key="bad.zip")
    assert error[0] == invalid and error[1].startswith("Could not unzip uploaded file.")
    s3.put_object(Bucket=BUCKET, Key="empty.zip", Body=b"")
    assert refusal(server, S3Bucket=BUCKET, S3Key="empty.zip")[0] == invalid


def test_one_source_and_only_one(s3, server):
    invalid = "InvalidParameterValueException"
    message = "Please do not provide other FunctionCode parameters when providing a ZipFile."
    assert refusal(server, ZipFile=code("x"), S3Bucket=BUCKET, S3Key="a.zip")[:2] == (invalid, message)
    assert refusal(server, S3Bucket=BUCKET)[:2] == (invalid, "Please provide a source for function code.")
    error = refusal(server, S3Bucket=BUCKET, S3Key="a.zip", S3ObjectStorageMode="REFERENCE")
    assert error[0] == invalid and "S3ObjectStorageMode" in error[1]


class Scripted(http.server.BaseHTTPRequestHandler):
    """Answers with the server's statuses in turn, the last one for ever; 200 has its code as the body."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers["Host"]))
        status = self.server.statuses.pop(0) if len(self.server.statuses) > 1 else self.server.statuses[0]
        body = self.server.code if status == 200 else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def scripted():
    """An S3 that answers as told."""
    endpoint = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    endpoint.asked, endpoint.statuses, endpoint.code = [], [200], code("scripted")
    thread = threading.Thread(target=endpoint.serve_forever)
    thread.start()
    yield endpoint
    endpoint.shutdown()
    thread.join()
    endpoint.server_close()


def created_from(server):
    return server.client("lambda").create_function(
        FunctionName="scripted", Runtime="python3.12", Handler="app.handler", Role=ROLE,
        Code={"S3Bucket": BUCKET, "S3Key": "a.zip"},
    )


def test_an_endpoint_that_stumbles_is_asked_again_and_one_that_stays_down_is_told(scripted):
    scripted.statuses = [503, 500, 200]
    keys = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    url = f"http://127.0.0.1:{scripted.server_port}"
    with Server(environment={"AWS_ENDPOINT_URL_S3": url, **keys}) as server:
        assert created_from(server)["CodeSize"] == len(scripted.code)
        assert scripted.asked == [(f"/{BUCKET}/a.zip", f"127.0.0.1:{scripted.server_port}")] * 3
        scripted.statuses = [503]
        error = refusal(server, S3Bucket=BUCKET, S3Key="a.zip")
        assert error[0] == "InvalidParameterValueException" and "503" in error[1] and url in error[1]
        assert len(scripted.asked) == 6


def test_https_trusts_the_systems_certificates_only(scripted, tmp_path):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=s3", "-keyout", key,
         "-out", certificate, "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"],
        check=True, capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    scripted.socket = context.wrap_socket(scripted.socket, server_side=True)
    config = f's3_endpoint = "https://127.0.0.1:{scripted.server_port}"\n'
    with Server(config=config, environment={"SSL_CERT_FILE": str(certificate)}) as server:
        assert created_from(server)["CodeSize"] == len(scripted.code)
    with Server(config=config) as server:
        error = refusal(server, S3Bucket=BUCKET, S3Key="a.zip")
        assert "certificate" in error[1]


def test_an_endpoint_that_is_away_is_told_soon():
    with Server(config=f's3_endpoint = "http://127.0.0.1:{free_port()}"\n') as server:
        started = time.monotonic()
        error = refusal(server, S3Bucket=BUCKET, S3Key="a.zip")
        assert error[0] == "InvalidParameterValueException" and "could not be used" in error[1]
        assert time.monotonic() - started < 10


def test_without_an_endpoint_the_way_out_is_told(tmp_path):
    with Server(config='disabled_services = ["s3"]\n') as server:
        error = refusal(server, S3Bucket=BUCKET, S3Key="a.zip")
        assert error[0] == "InvalidParameterValueException" and "s3_endpoint" in error[1]
