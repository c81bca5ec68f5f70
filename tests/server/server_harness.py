"""What the scripts of this folder share: `ingot serve` as a process, requests over raw sockets."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from cli_harness import BINARY, CASE  # noqa: E402

TINY = CASE  # 256 tokens of context, no tokenizer: requests give token ids
LIMIT = 120  # seconds for any one thing to happen
TOOL = os.path.join(os.path.dirname(BINARY), "tests", "oracle_server_tool")


class Server:
    """`ingot serve MODEL --port 0 FLAGS`; ready when made (unless told not to wait for it), killed
    at the end of `with`.

    Without a model the flags name it; `under` is a command that starts it.
    """

    def __init__(self, model, *flags, env=None, wait=True, under=()):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*under, BINARY, "serve", *([model] if model else []), "--port", "0", "--json",
             *flags], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
            env={**os.environ, **(env or {})})
        # A hung start ends in an error here, not in the time limit of all scripts.
        timer = threading.Timer(LIMIT, self.process.kill)
        timer.daemon = True
        timer.start()
        self.listening = self.event("listening")
        self.ready = self.event("ready") if wait else None
        timer.cancel()
        self.port = self.listening["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def event(self, name):
        line = self.process.stdout.readline()
        found = json.loads(line) if line else None
        if not found or found["event"] != name:
            self.process.kill()
            sys.exit(f"ingot serve: expected the event {name}, found {found}: {self.stderr()}")
        return found

    def stderr(self):
        """All of it so far. Not by seek and read: the offset is the server's too, whose next line
        would then overwrite the first ones."""
        file = self.log.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self, seconds=LIMIT):
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return "still running"

    def stop(self):
        self.terminate()
        return self.exit_code()


class Oracle:
    """`oracle_server_tool serve`; stop() returns what it cost."""

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

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self):
        return self.process.wait(timeout=LIMIT)

    def stop(self):
        self.terminate()
        out = json.loads(self.process.stdout.readline())
        self.process.wait(timeout=LIMIT)
        return out


class Answer:
    """An answer off the wire; `closed`: the server ended the connection after it."""

    def __init__(self, status, headers, body, closed=False):
        self.status = status
        self.headers = headers  # names in lower case
        self.body = body
        self.closed = closed

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def error(self, field):
        body = self.json()
        error = body.get("error") if isinstance(body, dict) else None
        return error.get(field, f"no {field}") if isinstance(error, dict) else "no error"

    def events(self):
        """The data of an event stream, JSON but for the last."""
        frames = [f[6:] for f in self.body.decode().split("\n\n") if f.startswith("data: ")]
        return [f if f == "[DONE]" else json.loads(f) for f in frames]


class Wire:
    """One connection; `room`: bytes that this side's kernel takes in beyond what was read."""

    def __init__(self, port, tls=None, room=None):
        self.socket = socket.socket()
        self.socket.settimeout(LIMIT)
        if room:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.socket.connect(("127.0.0.1", port))
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        """False when the server has closed its side."""
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            return False
        self.buffer += data
        return bool(data)

    def until(self, wanted):
        while wanted not in self.buffer:
            if not self.more():
                return None
        before, self.buffer = self.buffer.split(wanted, 1)
        return before

    def bytes(self, count):
        while len(self.buffer) < count:
            if not self.more():
                return None
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def head(self):
        """Status and headers; None when the connection ends instead."""
        head = self.until(b"\r\n\r\n")
        if head is None:
            return None
        lines = head.decode("latin-1").split("\r\n")
        status = re.fullmatch(r"HTTP/1\.1 (\d{3}) .*", lines[0])
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        return (int(status[1]) if status else lines[0]), headers

    def chunk(self):
        """The next chunk; b"" at the end, None when the connection ends in between."""
        size = self.until(b"\r\n")
        data = None if size is None else self.bytes(int(size, 16) + 2)
        return None if data is None else data[:-2]

    def answer(self, body=True):
        """The next answer; None when the connection ends before it does."""
        head = self.head()
        if head is None:
            return None
        status, headers = head
        if status == 100 or not body:
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding") != "chunked":
            data = self.bytes(int(headers.get("content-length", 0)))
            return None if data is None else Answer(status, headers, data)
        data = b""
        while True:
            chunk = self.chunk()
            if not chunk:
                return None if chunk is None else Answer(status, headers, data)
            data += chunk

    def ended(self):
        """Whether nothing comes any more but the end."""
        return not self.buffer and not self.more()


def request(method, path, body=None, *headers, version="1.1"):
    """A well-formed request, `body` as JSON unless it is bytes."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *headers]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def exchange(port, data, body=True, tls=None):
    """What the server answers to `data` on a connection of its own, and whether it then closes."""
    with Wire(port, tls) as wire:
        try:
            wire.send(data)
        except (ConnectionResetError, BrokenPipeError):
            pass  # it has answered before all was sent
        answer = wire.answer(body)
        if answer is not None and answer.headers.get("connection") == "close":
            answer.closed = wire.ended()
        return answer


def make_certificate(folder):
    """A certificate for localhost that signs itself, and its key."""
    certificate, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"], capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"openssl: {done.stderr.decode()}")
    return certificate, key
