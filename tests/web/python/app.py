"""One application on Powertools' event handler. RESOLVER names the class, which is the only thing that differs between doors."""

import base64
import hashlib
import os

from aws_lambda_powertools import event_handler
from aws_lambda_powertools.event_handler import CORSConfig, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import BadRequestError
from aws_lambda_powertools.shared.cookies import Cookie, SameSite

CORS = CORSConfig(
    allow_origin="https://app.example.com", extra_origins=["https://other.example.com"], allow_headers=["X-Custom"],
    expose_headers=["X-Answered"], max_age=300, allow_credentials=True,
)
app = getattr(event_handler, os.environ["RESOLVER"])(cors=CORS)
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


@app.get("/hello/<name>/of/<place>")
def hello(name, place):
    return {"name": name, "place": place}


@app.get("/query")
def query():
    return app.current_event.resolved_query_string_parameters


@app.post("/orders")
def order():
    taken = {"order": app.current_event.json_body}
    return Response(201, content_types.APPLICATION_JSON, app._serializer(taken), {"Location": "/orders/7"})


@app.get("/cookies")
def cookies():
    event = app.current_event
    sent = event.get("cookies") or (event.headers.get("cookie") or "").split("; ")
    return Response(
        200, content_types.TEXT_PLAIN, "|".join(sent),
        cookies=[
            Cookie("session", "a=b", path="/", http_only=True, same_site=SameSite.LAX_MODE, secure=False),
            Cookie("theme", "dark", max_age=60),
        ],
    )


@app.get("/headers")
def headers():
    sent = {name.lower(): value for name, value in app.current_event.headers.items()}
    return Response(200, content_types.APPLICATION_JSON, app._serializer(sent), {"X-Answered": "yes, here"})


@app.get("/image")
def image():
    return Response(200, "image/gif", PIXEL)


@app.post("/form")
def form():
    return {"form": app.current_event.decoded_body, "type": app.current_event.headers["content-type"]}


@app.route("/bytes", method=["PUT", "PATCH"])
def take_bytes():
    event = app.current_event
    body = base64.b64decode(event.body) if event.is_base64_encoded else event.body.encode()
    return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


@app.get("/bytes/<size>")
def give_bytes(size):
    return Response(200, content_types.TEXT_PLAIN, "x" * int(size))


@app.get("/compressed", compress=True, cache_control="max-age=60")
def compressed():
    return {"words": ["again"] * 1000}


@app.get("/moved")
def moved():
    return Response(302, headers={"Location": "/hello/again/of/home"})


@app.delete("/nothing")
def nothing():
    return Response(204)


@app.get("/bad")
def bad():
    raise BadRequestError("no such thing")


@app.get("/caught")
def caught():
    return {}[7]


@app.exception_handler(KeyError)
def on_key_error(error):
    return Response(418, content_types.TEXT_PLAIN, f"no {error}")


@app.get("/fails")
def fails():
    raise RuntimeError("a secret of the function's")


def handler(event, context):
    return app.resolve(event, context)
