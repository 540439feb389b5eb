"""The server is killed at random moments: each change is there whole or not at all, and no code is left over."""

import base64
import copy
import hashlib
import os
import random
import threading
import urllib.request

import botocore.exceptions
import pytest

from support import packages
from support.server import ROLE, Server
from support.wait import until

KILLS = int(os.environ.get("TINDRA_TEST_KILLS", "200"))
FUNCTIONS = 4
SEED = int(os.environ.get("TINDRA_TEST_SEED", "20261123"))


def code(number):
    return packages.python(f"NUMBER = {number}\ndef handler(event, context):\n    return NUMBER\n")


def digest(zip_bytes):
    return base64.b64encode(hashlib.sha256(zip_bytes).digest()).decode()


class Actor(threading.Thread):
    """Changes one function until the server dies, and knows what it was told and what it was about to change."""

    def __init__(self, server, name, known, choices):
        super().__init__(daemon=True)
        self.client = server.client("lambda")
        self.name, self.choices = name, choices
        self.before = self.after = known

    def run(self):
        try:
            while True:
                self.step()
        except (botocore.exceptions.HTTPClientError, botocore.exceptions.EndpointConnectionError):
            pass  # the kill

    def step(self):
        state = copy.deepcopy(self.before)
        name = self.name
        if state is None:
            number, publish = self.choices.randrange(10**9), self.choices.random() < 0.5
            # Which number it gets is known only afterwards: numbers outlive their function.
            versions = None if publish else {}
            created = {"code": digest(code(number)), "text": "", "versions": versions, "aliases": {}}
            self.expect(created)
            answer = self.client.create_function(
                FunctionName=name, Runtime="provided.al2023", Handler="h", Role=ROLE,
                Code={"ZipFile": code(number)}, Publish=publish,
            )
            created["versions"] = {answer["Version"]: created["code"]} if publish else {}
            return self.told(created)
        action = self.choices.choice(["code", "code", "text", "publish", "publish", "alias", "alias", "delete"])
        try:
            getattr(self, action)(state)
        except self.client.exceptions.ResourceConflictException:
            return None  # it has not settled yet
        return self.told(state)

    def code(self, state):
        number = self.choices.randrange(10**9)
        state["code"] = digest(code(number))
        self.expect(state)
        self.client.update_function_code(FunctionName=self.name, ZipFile=code(number))

    def text(self, state):
        state["text"] = f"text {self.choices.randrange(10**9)}"
        self.expect(state)
        self.client.update_function_configuration(FunctionName=self.name, Description=state["text"])

    def publish(self, state):
        wanted = state["code"]
        versions, state["versions"] = state["versions"], None
        self.expect(state)
        answer = self.client.publish_version(FunctionName=self.name)
        state["versions"] = {**versions, answer["Version"]: wanted}

    def alias(self, state):
        if not state["versions"]:
            return
        alias, version = self.choices.choice(["live", "next"]), self.choices.choice(sorted(state["versions"]))
        call = self.client.update_alias if alias in state["aliases"] else self.client.create_alias
        state["aliases"][alias] = version
        self.expect(state)
        call(FunctionName=self.name, Name=alias, FunctionVersion=version)

    def delete(self, state):
        self.expect(None)
        self.client.delete_function(FunctionName=self.name)
        state.clear()

    def expect(self, state):
        self.after = copy.deepcopy(state)

    def told(self, state):
        self.before = self.after = copy.deepcopy(state) or None


def read(client, name):
    """What the server says of a function, with the code of every version downloaded and checked."""
    try:
        latest = client.get_function(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        return None
    versions = client.get_paginator("list_versions_by_function").paginate(FunctionName=name)
    shas = {}
    for version in (version for page in versions for version in page["Versions"]):
        shas[version["Version"]] = version["CodeSha256"]
        whole = client.get_function(FunctionName=name, Qualifier=version["Version"])
        with urllib.request.urlopen(whole["Code"]["Location"], timeout=10) as download:
            assert digest(download.read()) == version["CodeSha256"]
    latest_sha = shas.pop("$LATEST")
    assert latest_sha == latest["Configuration"]["CodeSha256"]
    aliases = client.list_aliases(FunctionName=name)["Aliases"]
    aliases = {alias["Name"]: alias["FunctionVersion"] for alias in aliases}
    assert set(aliases.values()) <= set(shas), "an alias leads nowhere"
    return {
        "code": latest_sha, "text": latest["Configuration"]["Description"], "versions": shas, "aliases": aliases
    }


def fits(found, expected, before):
    """Whether what was found is what an unfinished change could have led to."""
    if found is None or expected is None:
        return found == expected
    if expected["versions"] is not None:
        return found == expected
    # A publication: one version more than before, with the code of now. (Of an unchanged function there is none.)
    known = before["versions"] if before else {}
    new = {number: sha for number, sha in found["versions"].items() if number not in known}
    rest = {number: sha for number, sha in found["versions"].items() if number in known}
    without = {**expected, "versions": found["versions"]}
    counts = {0, 1} if before else {1}
    return rest == known and len(new) in counts and set(new.values()) <= {expected["code"]} and found == without


@pytest.mark.beside
def test_random_kills_leave_no_half_change(tmp_path):
    server = Server(data=tmp_path)
    try:
        kill_again_and_again(server, tmp_path)
    finally:
        if server.process is not None:
            server.kill()


def kill_again_and_again(server, tmp_path):
    choices = random.Random(SEED)
    known = {f"function-{number}": None for number in range(FUNCTIONS)}
    for kill in range(KILLS):
        server.start()
        actors = [Actor(server, name, state, random.Random(choices.random())) for name, state in known.items()]
        for actor in actors:
            actor.start()
        threading.Event().wait(choices.uniform(0.0, 0.12))
        server.kill()
        for actor in actors:
            actor.join(30)
            assert not actor.is_alive()
        server.start()
        client = server.client("lambda")
        for actor in actors:
            found = read(client, actor.name)
            assert fits(found, actor.before, None) or fits(found, actor.after, actor.before), (
                f"kill {kill}, seed {SEED}, {actor.name}:\nfound  {found}\nbefore {actor.before}\nafter  {actor.after}"
            )
            known[actor.name] = found
        server.kill()

    server.start()
    client = server.client("lambda")
    wanted = set()
    for name, state in known.items():
        if state:
            until(lambda: client.get_function_configuration(FunctionName=name)["LastUpdateStatus"] != "InProgress")
            state = read(client, name)
            wanted |= {base64.b64decode(sha).hex() for sha in [state["code"], *state["versions"].values()]}

    def blobs():
        folders = (tmp_path / "data").rglob("blobs")
        return {path.name for folder in folders for path in folder.rglob("*") if path.is_file()}

    until(lambda: blobs() == wanted, 30, f"nothing but the code in use to be kept: {blobs() ^ wanted}")
    server.stop()
