"""VpcConfig: the operator's subnets and security groups open private networks to the functions that are in them."""

import os

import pytest

from support import network, packages
from support.errors import error_of
from support.server import ROLE, Function, Server

CONNECT = """
import socket
def handler(event, context):
    try:
        with socket.create_connection((event["host"], event["port"]), timeout=3) as connection:
            return connection.recv(100).decode()
    except Exception as error:
        return "refused"
"""

CONFIGURATION = """
[[subnets]]
id = "subnet-db"
vpc = "vpc-main"
networks = ["10.213.7.0/24"]

[[subnets]]
id = "subnet-other"
vpc = "vpc-main"
networks = ["10.214.0.0/16"]

[[subnets]]
id = "subnet-elsewhere"
vpc = "vpc-else"
networks = ["10.213.0.0/16"]

[[security_groups]]
id = "sg-db"
vpc = "vpc-main"
egress = [{ network = "10.213.7.2/32", ports = "5432" }]

[[security_groups]]
id = "sg-all"
vpc = "vpc-main"
egress = [{ network = "0.0.0.0/0" }]

[[security_groups]]
id = "sg-none"
vpc = "vpc-main"
"""

SERVE = """
import socket, threading
def serve(port):
    listener = socket.create_server(('10.213.7.2', port))
    while True:
        connection, _ = listener.accept()
        connection.sendall(b'hello from %d' % port)
        connection.close()
for port in (5432, 6379):
    threading.Thread(target=serve, args=(port,)).start()
print('ready', flush=True)
"""


@pytest.fixture(scope="module")
def database():
    """A host of our own making in a private network: 10.213.7.2, with servers on the ports 5432 and 6379."""
    with network.host(f"tdv{os.getpid()}", "10.213.7.1", "10.213.7.2", SERVE) as address:
        yield address


def membership(subnets, groups):
    return {"SubnetIds": subnets, "SecurityGroupIds": groups}


def test_only_members_reach_what_their_subnets_and_groups_open(database, tmp_path):
    with Server(data=tmp_path, config=CONFIGURATION) as server:
        function = Function(server, "member", "python3.12", packages.python(CONNECT), "app.handler").ready()

        def reach(port, host=database):
            return function.invoke({"host": host, "port": port}).ok()

        def become(subnets, groups):
            function.client.update_function_configuration(
                FunctionName="member", VpcConfig=membership(subnets, groups)
            )
            function.updated()

        assert reach(5432) == "refused"
        become(["subnet-db"], ["sg-db"])
        shown = function.client.get_function_configuration(FunctionName="member")["VpcConfig"]
        assert shown == {
            "SubnetIds": ["subnet-db"], "SecurityGroupIds": ["sg-db"], "VpcId": "vpc-main",
            "Ipv6AllowedForDualStack": False,
        }
        assert reach(5432) == "hello from 5432"
        assert reach(6379) == "refused"
        assert reach(server.port, "127.0.0.1") == "refused"
        assert reach(server.port, "10.213.7.1") == "refused"
        become(["subnet-db"], ["sg-none", "sg-all"])
        assert reach(6379) == "hello from 6379"
        assert reach(server.port, "10.213.7.1") == "refused", "an address of this machine stays closed"
        become(["subnet-other"], ["sg-all"])
        assert reach(5432) == "refused"
        become(["subnet-db"], ["sg-none"])
        assert reach(5432) == "refused"
        become(["subnet-db"], ["sg-db"])
        version = function.client.publish_version(FunctionName="member")
        assert version["VpcConfig"]["VpcId"] == "vpc-main"
        become([], [])
        assert "VpcConfig" not in function.client.get_function_configuration(FunctionName="member")
        assert reach(5432) == "refused"
        answer = function.invoke({"host": database, "port": 5432}, Qualifier="1")
        assert answer.ok() == "hello from 5432", "a version keeps its own"

    with Server(data=tmp_path, config=CONFIGURATION) as server:
        payload = b'{"host": "10.213.7.2", "port": 5432}'
        client = server.client("lambda")
        assert client.invoke(FunctionName="member", Qualifier="1", Payload=payload)["Payload"].read() == (
            b'"hello from 5432"'
        )
    # A subnet that is no longer configured opens nothing.
    with Server(data=tmp_path) as server:
        client = server.client("lambda")
        answer = client.invoke(FunctionName="member", Qualifier="1", Payload=payload)
        assert answer["Payload"].read() == b'"refused"'


def test_what_is_not_configured_is_refused():
    with Server(config=CONFIGURATION) as server:
        create = server.client("lambda").create_function

        def refusal(**config):
            error = error_of(
                create, FunctionName="refused", Runtime="python3.12", Handler="app.handler", Role=ROLE,
                Code={"ZipFile": packages.python(CONNECT)}, VpcConfig=config,
            )
            assert error[0] == "InvalidParameterValueException", error
            return error[1]

        assert refusal(**membership(["subnet-missing"], ["sg-db"])) == (
            "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. "
            "EC2 Error Message: The subnet ID 'subnet-missing' does not exist"
        )
        assert refusal(**membership(["subnet-db"], ["sg-missing"])) == (
            "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. "
            "EC2 Error Message: The security group 'sg-missing' does not exist"
        )
        coexist = "SubnetIds and SecurityIds must coexist or be both empty list."
        assert refusal(SubnetIds=["subnet-db"]) == coexist
        assert refusal(SecurityGroupIds=["sg-db"]) == coexist
        assert "same VPC" in refusal(**membership(["subnet-db", "subnet-elsewhere"], ["sg-db"]))
        assert "IPv6" in refusal(**membership(["subnet-db"], ["sg-db"]), Ipv6AllowedForDualStack=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[subnets]]\nid = "db"\nvpc = "vpc-a"\nnetworks = []\n', "subnet-NAME"),
        ('[[subnets]]\nid = "subnet-a"\nvpc = "vpc-a"\nnetworks = ["10.0.0.0/33"]\n', "10.0.0.0/33"),
        (2 * '[[subnets]]\nid = "subnet-a"\nvpc = "vpc-a"\nnetworks = []\n', "twice"),
        (
            '[[security_groups]]\nid = "sg-a"\nvpc = "vpc-a"\negress = [{ network = "10.0.0.0/8", ports = "9-1" }]\n',
            "9-1",
        ),
    ],
)
def test_a_bad_configuration_is_told_at_the_start(text, said):
    server = Server(config=text)
    with pytest.raises(AssertionError) as caught:
        server.start()
    assert said in server.output() and "ended with" in str(caught.value)
