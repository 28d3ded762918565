"""The floor as an application: bare Flask that answers a constant. It imports nothing of the server."""

from flask import Flask, Response, request

READ, PARSE = "/read", "/parse"
CONSTANT = b'{"id":"k17%s","data":{"text":"%s"}}\n' % (b"0" * 29, b"x" * 239)  # 300 bytes

app = Flask(__name__, static_folder=None)


@app.get(READ)
def read() -> Response:
    """Answer a constant."""
    return Response(CONSTANT, content_type="application/json")


@app.post(PARSE)
def parse() -> Response:
    """Parse the body and answer a constant."""
    request.get_json()
    return Response(CONSTANT, content_type="application/json")
