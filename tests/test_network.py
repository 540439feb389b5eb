"""What a function can reach: the outside by name, Tindra by its own socket, and nothing of the host."""

import os
import socket
import socketserver
import struct
import subprocess
import threading

import pytest

from support import network, packages
from support.server import Function, Server

FETCH = """
import socket, urllib.request
def handler(event, context):
    socket.setdefaulttimeout(3)
    try:
        if "url" in event:
            return urllib.request.urlopen(event["url"], timeout=3).read().decode()
        if "resolve" in event:
            return sorted({a[4][0] for a in socket.getaddrinfo(event["resolve"], 80, socket.AF_INET)})
        with socket.create_connection((event["host"], event["port"]), timeout=3) as c:
            return "connected"
    except Exception as error:
        return "refused: " + repr(error)
"""


WEB = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ('hello from outside to ' + self.client_address[0]).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a):
        pass
print('ready', flush=True)
http.server.ThreadingHTTPServer(('198.51.100.2', 8080), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def outside():
    """A host of our own making: 198.51.100.2, with a web server on port 8080."""
    with network.host(f"tdt{os.getpid()}", "198.51.100.1", "198.51.100.2", WEB) as address:
        yield address


class NameServer(socketserver.ThreadingUDPServer):
    """Answers A questions for the names it knows, NXDOMAIN for the rest."""

    def __init__(self, names):
        self.names = names
        super().__init__(("127.0.0.1", 0), self.Handler)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            query, reply_socket = self.request
            labels, position = [], 12
            while query[position]:
                labels.append(query[position + 1:position + 1 + query[position]].decode())
                position += 1 + query[position]
            question = query[12:position + 5]
            kind = struct.unpack(">H", query[position + 1:position + 3])[0]
            address = self.server.names.get(".".join(labels).lower())
            answers = b""
            if address and kind == 1:
                answers = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 5, 4) + socket.inet_aton(address)
            code = 0 if address else 3
            header = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, 1 if answers else 0, 0, 0)
            reply_socket.sendto(header + question + answers, self.client_address)


@pytest.fixture(scope="module")
def networked(outside):
    """A server whose functions ask a name server of our own, and a function that fetches."""
    names = NameServer({"outside.example.test": outside, "inside.example.test": "10.1.2.3", "loop.example.test": "127.0.0.1"})
    threading.Thread(target=names.serve_forever, daemon=True).start()
    config = f'dns_upstreams = ["127.0.0.1:{names.server_address[1]}"]\n'
    with Server(config=config) as server:
        function = Function(server, "fetch", "python3.12", packages.python(FETCH), "app.handler", Timeout=20).ready()
        yield server, lambda **event: function.invoke(event).ok()
    names.shutdown()


def test_egress_by_host_name(networked):
    _, fetch = networked
    assert fetch(url="http://outside.example.test:8080/").startswith("hello from outside")


def test_names_are_answered_in_the_namespace(networked):
    _, fetch = networked
    assert fetch(resolve="outside.example.test") == ["198.51.100.2"]
    assert fetch(resolve="nothing.example.test").startswith("refused: gaierror")


def test_the_hosts_loopback_is_not_reachable(networked):
    server, fetch = networked
    assert fetch(host="127.0.0.1", port=server.port).startswith("refused: ")
    assert fetch(host="loop.example.test", port=server.port).startswith("refused: ")
    assert fetch(host="localhost", port=server.port).startswith("refused: ")


@pytest.mark.parametrize("address", ["10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "198.51.100.1",
                                     "inside.example.test", "0.0.0.0", "255.255.255.255", "224.0.0.1"])
def test_private_metadata_and_host_addresses_are_denied(networked, address):
    server, fetch = networked
    for port in (80, server.port):
        assert fetch(host=address, port=port).startswith("refused: "), address


def test_the_operators_endpoint_is_not_reachable_by_any_address_of_the_host(networked):
    server, fetch = networked
    listing = subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        assert fetch(host=line.split()[3].split("/")[0], port=server.port).startswith("refused: ")


def test_unconfigured_boto3_in_a_function_finds_us(networked):
    server, _ = networked
    function = Function(server, "calls-home", "python3.12", packages.python(
        "import boto3\ndef handler(event, context):\n"
        "    pages = boto3.client('lambda').get_paginator('list_functions').paginate()\n"
        "    return sorted(f['FunctionName'] for page in pages for f in page['Functions'])\n"), "app.handler",
        MemorySize=512, Timeout=30).ready()
    assert function.invoke().ok() == ["calls-home", "fetch"]


def test_unconfigured_aws_sdk_in_a_node_function_finds_us(networked):
    server, _ = networked
    function = Function(server, "calls-home-node", "nodejs20.x", packages.node(
        "import { LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';\n"
        "export const handler = async () => {\n"
        "  const answer = await new LambdaClient({}).send(new ListFunctionsCommand({}));\n"
        "  return answer.Functions.map((f) => f.FunctionName).sort();\n};\n"), "index.handler", MemorySize=512, Timeout=30).ready()
    assert "calls-home-node" in function.invoke().ok()


def test_the_functions_socket_is_never_an_operators(networked):
    _, fetch = networked
    for path in ("/_tindra/reset", "/metrics"):
        answer = fetch(url=f"http://169.254.100.1:4566{path}")
        assert answer.startswith("refused: <HTTPError 40")


def test_another_environments_sockets_are_not_reachable(server, deploy):
    """Each Runtime API listens in its own namespace: what one sees at that address is its own."""
    source = (
        "import http.client, os\ndef handler(event, context):\n"
        "    c = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'], timeout=3)\n"
        "    c.request('POST', f'/2018-06-01/runtime/invocation/{event}/response', b'forged')\n"
        "    return c.getresponse().status\n")
    function = deploy("python3.12", packages.python(source))
    assert function.invoke("11111111-2222-3333-4444-555555555555").ok() == 400
