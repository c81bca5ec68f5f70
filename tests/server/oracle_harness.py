"""The server of the tests' models as a process: the oracle, whose tokens are known, the parrot."""

import json
import os
import signal
import subprocess

from server_harness import BINARY, LIMIT

TOOL = os.path.join(os.path.dirname(BINARY), "tests", "oracle_server_tool")


class Oracle:
    """`oracle_server_tool serve`, options as its flags; stop() returns what it cost."""

    def __init__(self, **options):
        flags = [word for name, value in options.items()
                 for word in ("--" + name.replace("_", "-"), str(value))]
        self.process = subprocess.Popen([TOOL, "serve", *flags], stdout=subprocess.PIPE)
        self.port = json.loads(self.process.stdout.readline())["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        out = json.loads(self.process.stdout.readline())
        self.process.wait(timeout=LIMIT)
        return out
