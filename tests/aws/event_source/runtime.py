"""What Lambda is to a function: the Runtime API on loopback, and the process behind it.

The function's program is started as Lambda starts it, asks `GET …/invocation/next`, and answers with `POST …/response` or
`…/error`. At its time-out it is killed, and started anew for the next event; so it is after a crash. A program that ends
before it asks for its first event fails the event, as one that cannot start does.

Source: the Lambda developer guide, "Using the Lambda runtime API for custom runtimes" and "Understanding the Lambda
execution environment lifecycle".
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

API = "/2018-06-01/runtime"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


class Outcome(NamedTuple):
    """How an invocation ended: `answered`, `failed` (the function's own error), `crashed` or `timed out`."""

    status: str
    body: object
    seconds: float


class Quiet(BaseHTTPRequestHandler):
    """Handles HTTP/1.1 with bodies of a known length, and without lines on the terminal."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        # A client that is killed closes its connections as it can.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def serve(handler):
    """A server on loopback with this handler, in threads that end with it."""
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


class Environment:
    """One process of a function, with a Runtime API of its own."""

    def __init__(self, command, name, variables, memory_mb, log):
        self.name = name
        self.changed = threading.Condition()
        self.event = self.outcome = self.ready_at = self.ended = None
        self.server = serve(self._handler())
        self.started_at = time.monotonic()
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            **variables,
        }
        self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        threading.Thread(target=self._watch, daemon=True).start()

    def wait(self, look, until):
        """Waits until `look()` gives something, the process ends or it is `until`; gives what `look` gives then."""
        with self.changed:
            self.changed.wait_for(lambda: look() or self.ended is not None, max(0, until - time.monotonic()))
            return look()

    def is_ready(self, until):
        """Whether the program asks for its first event in time."""
        return self.wait(lambda: self.ready_at, until) is not None

    def invoke(self, payload, deadline):
        """Hands an event over, and gives what the program made of it by `deadline`."""
        began = time.monotonic()
        ahead_ms = (deadline - began) * 1000
        headers = {
            "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000 + ahead_ms)),
            "Lambda-Runtime-Invoked-Function-Arn": ARN + self.name,
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
            "Content-Type": "application/json",
        }
        with self.changed:
            self.event, self.outcome = (headers, payload), None
            self.changed.notify_all()
        done = self.wait(lambda: self.outcome, deadline)
        seconds = time.monotonic() - began
        if done:
            return Outcome(done[0], done[1], seconds)
        return Outcome("timed out" if self.ended is None else "crashed", None, seconds)

    def end(self):
        """Kills what is left of the program."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        with self.changed:
            self.changed.wait_for(lambda: self.ended is not None, 10)
        self.server.shutdown()
        self.server.server_close()

    def _watch(self):
        code = self.process.wait()
        with self.changed:
            self.ended = code
            self.changed.notify_all()

    def _next(self):
        """The next event, once there is one; none where the program is gone."""
        with self.changed:
            self.ready_at = self.ready_at or time.monotonic()
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.event or self.ended is not None)
            event, self.event = self.event, None
            return event if self.ended is None else None

    def _told(self, status, body):
        with self.changed:
            self.outcome = (status, json.loads(body or b"null"))
            self.changed.notify_all()

    def _handler(self):
        environment = self

        class Handler(Quiet):
            def do_GET(self):
                if self.path != f"{API}/invocation/next":
                    return self.answer(404, {}, b"")
                event = environment._next()
                if event is None:
                    self.close_connection = True
                else:
                    self.answer(200, *event)

            def do_POST(self):
                body, told = self.body(), {"response": "answered", "error": "failed"}.get(self.path.rsplit("/", 1)[-1])
                if told and self.path.startswith(f"{API}/invocation/"):
                    environment._told(told, body)
                # What cannot start says so at `/init/error` and ends: its end is what fails the event.
                self.answer(202, {"Content-Type": "application/json"}, b'{"status":"OK"}')

        return Handler


class Function:
    """A function: at most one process at a time, kept warm from event to event."""

    def __init__(self, command, name, variables, timeout_s, memory_mb, log):
        self.start = lambda: Environment(command, name, variables, memory_mb, log)
        self.arn = ARN + name
        self.timeout_s, self.environment, self.starts = timeout_s, None, 0

    def invoke(self, payload):
        """Invokes the function with bytes of JSON, in a process that is warm or a new one."""
        deadline = time.monotonic() + self.timeout_s
        if self.environment and self.environment.ended is not None:
            self.stop()
        if not self.environment:
            self.environment = self.start()
            self.starts += 1
            if not self.environment.is_ready(deadline):
                status = "timed out" if self.environment.ended is None else "crashed"
                self.stop()
                return Outcome(status, None, self.timeout_s)
            # Starting is not the event's time.
            deadline = time.monotonic() + self.timeout_s
        outcome = self.environment.invoke(payload, deadline)
        if outcome.status in ("crashed", "timed out"):
            self.stop()
        return outcome

    def kill(self):
        """Ends the process, whatever it does: the machine under it is gone."""
        os.killpg(self.environment.process.pid, signal.SIGKILL)

    def freeze(self):
        """Stops the process where it is: it does nothing any more, and does not end."""
        os.killpg(self.environment.process.pid, signal.SIGSTOP)

    def stop(self):
        """Takes the process away; the next event starts one."""
        if self.environment:
            self.environment.end()
            self.environment = None
