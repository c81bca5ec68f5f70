"""What the scripts about `ingot chat` share: the program in a terminal of its own."""

import os
import pty
import re
import select
import subprocess
import time

from cli_harness import BINARY

PROMPT = "\n> "
LIMIT = 120  # seconds for any one thing to appear
CTRL_C, CTRL_D = "\x03", "\x04"


class Terminal:
    """A chat whose standard input, output and error are one pseudo-terminal of its own."""

    def __init__(self, *arguments, env=None):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [BINARY, "chat", *arguments, "--temperature", "0", "--progress", "none"],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=take_terminal,
            env={**os.environ, **(env or {})})
        os.close(slave)
        self.text = "\n"

    def type(self, keys):
        os.write(self.master, keys.encode())

    def read(self, seconds):
        """More of what was printed; False when nothing came or the program has gone."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.text += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def until(self, wanted):
        """What was printed up to `wanted`, which is taken too; None if it does not come."""
        end = time.monotonic() + LIMIT
        while wanted not in self.text:
            if time.monotonic() > end or not self.read(max(0.0, end - time.monotonic())):
                return None
        before, self.text = self.text.split(wanted, 1)
        return before

    def ask(self, question):
        """The answer's text and its report line."""
        self.type(question + "\n")
        return answer_of(self.until(PROMPT) or "", question)

    def exit_code(self):
        try:
            return self.process.wait(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "still running"


def take_terminal():
    import fcntl
    import termios
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def answer_of(printed, question):
    report = re.search(r"\n(\[\d+ tokens, .*\])", printed)
    if not report:
        return printed, ""
    return printed[:report.start()].removeprefix(question + "\n"), report[1]
