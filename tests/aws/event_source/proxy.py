"""A proxy in front of the stand-in, that fails as it is told to.

`proxy.fault` is a function of a request and of `forward`, which asks the stand-in: it gives an answer, as `(status, headers,
body)`, or `None` for a connection that is closed without one.
"""

import http.client
import threading
from typing import NamedTuple

from runtime import Quiet, serve

# These are of one connection, and not of what goes over it.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "content-length"}


class Request(NamedTuple):
    method: str
    path: str
    headers: dict
    body: bytes

    def writes(self, folder):
        """Whether it puts an object into this folder of the lake."""
        return self.method == "PUT" and f"/{folder}/" in self.path

    def asks_the_ledger(self):
        return self.headers.get("x-amz-target", "").startswith("DynamoDB")

    def asks_s3(self):
        return not self.asks_the_ledger()


class Proxy:
    def __init__(self, port):
        self.port, self.fault, self.released = port, None, threading.Event()
        self.server = serve(self._handler())

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def mend(self):
        """Lets everything through again, and what hangs end."""
        self.fault = None
        self.released.set()

    def end(self):
        self.mend()
        self.server.shutdown()
        self.server.server_close()

    def hang(self, request, forward):
        """Answers nothing until it is mended."""
        self.released.wait(300)
        return None

    def _forward(self, request):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(request.method, request.path, request.body, request.headers)
            answer = connection.getresponse()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
            return answer.status, headers, answer.read()
        finally:
            connection.close()

    def _handler(self):
        proxy = self

        class Handler(Quiet):
            def pass_on(self):
                headers = {name.lower(): value for name, value in self.headers.items()}
                assert "transfer-encoding" not in headers, f"a body of unknown length: {self.path}"
                kept = {name: value for name, value in headers.items() if name not in HOP_BY_HOP}
                request = Request(self.command, self.path, kept, self.body())
                forward = lambda: proxy._forward(request)
                answer = proxy.fault(request, forward) if proxy.fault else forward()
                if answer is None:
                    self.close_connection = True
                elif self.command == "HEAD":
                    self.send_response(answer[0])
                    for name, value in answer[1].items():
                        self.send_header(name, value)
                    self.end_headers()
                else:
                    self.answer(*answer)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on

        return Handler


def s3_error(status, code):
    """An answer as S3 refuses."""
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>told to</Message></Error>'
    return status, {"Content-Type": "application/xml"}, body.encode()


def dynamodb_error(status, code):
    """An answer as DynamoDB refuses."""
    body = f'{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"told to"}}'
    return status, {"Content-Type": "application/x-amz-json-1.0"}, body.encode()
