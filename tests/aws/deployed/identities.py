"""Whose credentials are whose: the stand-in's trail names a caller by its access key alone, and gives each function that it
starts a key of its own."""

import threading
from pathlib import Path


class Identities(threading.Thread):
    """Looks at the functions' processes while they live, until it is ended."""

    EVERY_S = 0.2

    def __init__(self):
        super().__init__(daemon=True)
        self.functions, self.over = {}, threading.Event()

    def run(self):
        while not self.over.wait(self.EVERY_S):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    if (process / "comm").read_text().strip() == "bootstrap":
                        self.note((process / "environ").read_bytes())
                except OSError:
                    pass  # It has ended.

    def note(self, environ):
        variables = dict(entry.split(b"=", 1) for entry in environ.split(b"\0") if b"=" in entry)
        key, name = variables.get(b"AWS_ACCESS_KEY_ID"), variables.get(b"AWS_LAMBDA_FUNCTION_NAME")
        if key and name:
            self.functions[key.decode()] = name.decode()

    def end(self):
        self.over.set()
        self.join()
