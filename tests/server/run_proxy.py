"""`ingot serve`'s server behind nginx, set up as docs/serving.md says: streams come as they are
made, clients that leave are noticed, connections are kept, and on no odd request do the two differ
about where it ends.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

from reliability import eventually, is_idle, look, wish
from server_harness import LIMIT, Oracle, Wire, exchange, request

from cli_harness import Checks

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODELS = request("GET", "/v1/models")
VERSION = request("GET", "/version")
LAST = request("GET", "/version", None, "Connection: close")


def documented():
    """The servers of docs/serving.md, as nginx reads them."""
    with open(os.path.join(ROOT, "docs", "serving.md"), encoding="utf-8") as file:
        found = re.search(r"^    upstream ingot \{\n(?:    .*\n|\n)*?    \}\n\n?    server \{\n"
                          r"(?:    .*\n)*?    \}\n", file.read(), re.MULTILINE)
    return found[0]


class Nginx:
    """In front of a port, at a socket in `folder`; as one process that is ended with the block."""

    def __init__(self, folder, port):
        self.path = os.path.join(folder, "nginx.socket")
        servers = documented()
        for old, new in (("127.0.0.1:8000", f"127.0.0.1:{port}"),
                         ("listen 80;", f"listen unix:{self.path};")):
            if servers.count(old) != 1:
                sys.exit(f"docs/serving.md: expected '{old}' once for nginx, found {servers}")
            servers = servers.replace(old, new)
        places = "\n".join(f"{name}_temp_path {folder}/{name};"
                           for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = os.path.join(folder, "nginx.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\n"
                       f"events {{}}\nhttp {{\naccess_log off;\n{places}\n{servers}}}\n")
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        if program is None:
            sys.exit("nginx: expected Debian's nginx-light (tools/test-packages.txt), found none")
        self.log = os.path.join(folder, "error.log")
        self.process = subprocess.Popen([program, "-c", config, "-e", self.log],
                                        stderr=subprocess.DEVNULL)

    def __enter__(self):
        if not eventually(lambda: os.path.exists(self.path) or self.process.poll() is not None):
            sys.exit("nginx: it did not begin")
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                sys.exit(f"nginx: {file.read()}")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=LIMIT)

    def wire(self):
        return ProxyWire(self.path)

    def answer(self, data):
        with self.wire() as wire:
            wire.send(data)
            return wire.answer()


class ProxyWire(Wire):
    """One connection to nginx."""

    def __init__(self, path):  # pylint: disable=super-init-not-called
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(LIMIT)
        self.socket.connect(path)
        self.buffer = b""


def connections(port):
    """Of a server, as the kernel has them; those that it closed stay for a minute."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] != "0A" for row in rows)  # 0A: listens


def check_answers(checks, nginx, oracle):
    direct, through = exchange(oracle.port, wish()), nginx.answer(wish())
    checks.equal(through.json()["choices"], direct.json()["choices"], "a whole answer")
    stream = nginx.answer(wish(stream=True))
    checks.equal((stream.status, stream.events()[-1]), (200, "[DONE]"), "a stream, to its end")
    checks.equal("".join(e["choices"][0]["text"] for e in stream.events()[:-1] if e["choices"]),
                 direct.json()["choices"][0]["text"], "a stream: the same text")
    checks.equal(nginx.answer(request("GET", "/nowhere")).error("type"),
                 exchange(oracle.port, request("GET", "/nowhere")).error("type"),
                 "an error is the server's own")
    long = b'{"prompt": "p", "max_tokens": 1}' + b" " * 900_000
    checks.equal(nginx.answer(request("POST", "/v1/completions", long)).status, 200,
                 "a body that nginx has to keep in a file")
    with nginx.wire() as wire:
        head, body = wish().split(b"\r\n\r\n", 1)
        wire.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
        checks.equal(wire.answer().status, 100, "Expect: the body is asked for")
        wire.send(body)
        checks.equal(wire.answer().json()["choices"], direct.json()["choices"], "Expect: answered")
        wire.send(request("HEAD", "/v1/models") + MODELS)
        checks.equal(wire.answer(body=False).headers.get("content-length"),
                     str(len(wire.answer().body)), "HEAD")


def check_connections(checks, nginx, oracle):
    """Whose connections the server would close after an answer, nginx would have to make anew."""
    before = connections(oracle.port)
    with nginx.wire() as wire:
        for _ in range(20):
            wire.send(MODELS + wish(stream=True, max_tokens=2))
            checks.check(wire.answer().status == 200 and wire.answer().status == 200,
                         "a request and a stream on a connection that is kept")
    more = connections(oracle.port) - before
    checks.check(more <= 4, f"40 answers on {more} connections more of nginx to the server")


# Each is refused by the one or the other, or means the same to both.
def odd_requests():
    body = json.dumps({"prompt": "hi", "max_tokens": 1}).encode()
    smuggled = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def post(*headers, data=body):
        lines = ["POST /v1/completions HTTP/1.1", "Host: localhost",
                 "Content-Type: application/json", *headers]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + data

    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    coded, length = "Transfer-Encoding: chunked", f"Content-Length: {len(body)}"
    yield "a length beside chunks", post(length, coded, data=b"0\r\n\r\n" + smuggled)
    yield "chunks beside a length", post(coded, "Content-Length: 4", data=chunks + smuggled)
    yield "two lengths", post("Content-Length: 0", length, data=body)
    yield "a list of lengths", post(f"Content-Length: {len(body)}, 0")
    yield "a coding in two headers", post("Transfer-Encoding: identity", coded, data=chunks)
    for value in ("xchunked", "chunked, identity", "chunked\x0b", "\x00chunked", "chunked;q=1"):
        yield f"coding {value!r}", post(f"Transfer-Encoding: {value}", length,
                                        data=chunks + smuggled)
    for name in ("Transfer-Encoding ", " Transfer-Encoding", "Transfer_Encoding",
                 "Transfer-Encoding\t"):
        yield f"name {name!r}", post(f"{name}: chunked", length, data=body)
    for value in ("+5", "-1", "0x5", "1e1", "5\x0b", "", "9" * 25):
        yield f"length {value!r}", post(f"Content-Length: {value}")
    for size in ("-2", "+5", "0x5", "f" * 17, "5 ", "5\n", ";", "00000000000000000005"):
        yield f"chunk size {size!r}", post(coded, data=size.encode() + b"\r\n" + body[:5] +
                                           b"\r\n0\r\n\r\n")
    yield "a bare LF in chunks", post(coded, data=chunks.replace(b"\r\n", b"\n"))
    yield "a chunk's extension", post(coded, data=chunks.replace(b"\r\n", b";a=\"b\"\r\n", 1))
    yield "a chunk's extension with a line end", post(
        coded, data=chunks.replace(b"\r\n", b";a=\n\r\n", 1))
    yield "a trailer with a length", post(coded, data=chunks[:-2] + b"Content-Length: 9\r\n\r\n")
    yield "a folded header", post("X-A: b", " Content-Length: 3", length)
    yield "a bare CR", post("X-A: b\rContent-Length: 3", length)
    yield "a bare LF", post("X-A: b\nContent-Length: 3", length)
    yield "HTTP/1.0 with chunks", post(coded, data=chunks).replace(b"HTTP/1.1", b"HTTP/1.0")
    yield "an upgrade", post("Connection: upgrade", "Upgrade: websocket", length)
    yield "an upgrade to HTTP/2", post("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                                       "HTTP2-Settings: AAMAAABkAAQAAP__", length)
    yield "a length that Connection names", post("Connection: content-length", length)
    yield "a GET with a body", post(length, data=body).replace(b"POST", b"GET")
    yield "an absolute target", MODELS.replace(b"/v1", b"http://other/v1")


def check_odd(checks, nginx, oracle):
    """Whatever of an odd request were left over would be taken for the next one's begin, on the
    connections that nginx keeps: then that one's answer would not be its own."""
    wanted = [exchange(oracle.port, data).body for data in (VERSION, MODELS)]
    for what, data in odd_requests():
        with nginx.wire() as wire:
            wire.send(data + LAST)
            while wire.more():
                pass
            answers = re.findall(rb"HTTP/1\.1 (\d{3}) ", wire.buffer)
        checks.check(answers and b"404" not in answers, f"{what}: what is behind it is no request")
        found = [nginx.answer(data).body for data in (VERSION, MODELS) * 3]
        checks.check(found == wanted * 3, f"{what}: {b' '.join(answers).decode()}, and the next "
                                          "requests have their own answers")


def check_streams(checks, nginx, oracle):
    """A token a second: who buffers shows the first when many have been made."""
    endless = wish(stream=True, max_tokens=4000)
    with nginx.wire() as wire:
        wire.send(endless)
        checks.equal(wire.head()[0], 200, "a slow stream's head")
        wire.until(b"data: ")
        made = look(oracle)["requests"][0]["output_tokens"]
        checks.check(made < 10, f"its first token is here when {made} were made")
    checks.check(eventually(lambda: is_idle(look(oracle))), "its client left, and it is gone")
    whole = nginx.wire()
    whole.send(wish(max_tokens=4000))
    checks.check(eventually(lambda: look(oracle)["sequences"]["running"] == 1),
                 "a whole answer is being made")
    waiting = nginx.wire()
    waiting.send(endless)
    checks.equal(waiting.head()[0], 200, "a stream waits")
    whole.close()
    checks.check(eventually(lambda: look(oracle)["count"] == 1), "a whole answer's client left")
    waiting.close()
    checks.check(eventually(lambda: is_idle(look(oracle))), "and the other's: nothing is left")


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        with Oracle(rows=4) as oracle, Nginx(folder, oracle.port) as nginx:
            check_answers(checks, nginx, oracle)
            check_connections(checks, nginx, oracle)
            check_odd(checks, nginx, oracle)
            checks.check(eventually(lambda: is_idle(look(oracle))), "nothing of it is left")
            checks.equal(oracle.stop()["running"], 0, "SIGTERM: nothing runs")
    with tempfile.TemporaryDirectory() as folder:
        with Oracle(rows=1, context=8192, step_us=1_000_000) as oracle, \
                Nginx(folder, oracle.port) as nginx:
            check_streams(checks, nginx, oracle)
    checks.finish()


if __name__ == "__main__":
    main()
