"""HTTP addresses that lead to a function, and a client for them that hides nothing of an answer."""

import http.client
import json
import urllib.parse

HEADERS_OF_A_CALL = {"accept": "*/*", "user-agent": "tests"}


class Door:
    """An address of a server under which a function answers."""

    def __init__(self, port, host, prefix="", domain=None, scheme="http"):
        self.port = port
        self.host = host
        self.prefix = prefix
        self.domain = domain or host.split(":")[0]  # as the function is told
        self.origin = f"{scheme}://{host}"
        self.url = self.origin + prefix

    def open(self, path, method="GET", headers=None, body=None, timeout_s=30):
        """Sends a request; gives the answer when its head is here."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        sent = {"Host": self.host, **HEADERS_OF_A_CALL, **(headers or {})}
        connection.request(method, self.prefix + path, body=body, headers=sent)
        return connection.getresponse()

    def ask(self, path, method="GET", headers=None, body=None, form=None, value=None):
        """Sends a request, perhaps with a form or a JSON value; gives the whole answer."""
        headers = dict(headers or {})
        if form is not None:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
            body = urllib.parse.urlencode(form)
        if value is not None:
            headers.setdefault("Content-Type", "application/json")
            body = json.dumps(value)
        return Reply(self.open(path, method, headers, body))


class Reply:
    """A whole answer."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def value(self):
        return json.loads(self.body)

    def seen(self):
        """What one compares first."""
        return self.status, self.headers["content-type"], self.text


def function_url(server, function, streams=False, cors=None):
    """The function's URL by its own host name."""
    created = function.client.create_function_url_config(
        FunctionName=function.name, AuthType="NONE", InvokeMode="RESPONSE_STREAM" if streams else "BUFFERED",
        **({"Cors": cors} if cors else {}),
    )
    url = urllib.parse.urlsplit(created["FunctionUrl"])
    return Door(server.port, url.netloc, scheme=url.scheme)


def function_url_by_path(server, function, **members):
    """The same below a path of the server, for clients that find no names below localhost."""
    domain = function_url(server, function, **members).domain
    return Door(server.port, f"127.0.0.1:{server.port}", f"/_aws/lambda-url/{domain.split('.')[0]}", domain)
