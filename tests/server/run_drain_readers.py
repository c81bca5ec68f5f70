"""`ingot serve` and SIGTERM while clients do not read, or read slowly: when the drain's time is
over each finds the error frame and the stream's end behind what waited for it, whenever it reads.
"""

import contextlib
import re
import ssl
import tempfile
import time

from server_harness import Oracle, Wire, exchange, make_certificate, request

from cli_harness import Checks
from reliability import COMPLETIONS, eventually, look

SECONDS = 4
STREAM = {"prompt": "hello", "temperature": 0, "ignore_eos": True, "stream": True,
          "max_tokens": 4000, "logprobs": 20}
WHOLE = {**STREAM, "stream": False, "max_tokens": 500}


class Reader(Wire):
    """A client with little room for what it does not read."""

    def __init__(self, port, body, version="1.1", tls=None):
        super().__init__(port, tls, room=4096)
        self.send(request("POST", COMPLETIONS, body, version=version))

    def trickle(self, seconds):
        """Reads a little now and then."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.buffer += self.socket.recv(64)
            time.sleep(0.05)

    def rest(self):
        with contextlib.suppress(ssl.SSLEOFError):
            while self.more():
                pass
        return self.buffer


def text_of(data, chunked):
    """An answer's text, and whether its chunks have their end."""
    body = data.split(b"\r\n\r\n", 1)[1]
    if not chunked:
        return body, True
    out = b""
    while found := re.match(rb"([0-9a-f]+)\r\n", body):
        size, body = int(found[1], 16), body[found.end():]
        if size == 0:
            return out, body == b"\r\n"
        out, body = out + body[:size], body[size + 2:]
    return out, False


def told(checks, what, data, chunked=True):
    text, ended = text_of(data, chunked)
    checks.check(text.count(b"\n\n") > 20, f"{what}: what waited comes: {len(text)} bytes")
    last = text.split(b"\n\n")[-2] if text.count(b"\n\n") > 1 else b""
    checks.check(last.startswith(b'data: {"error":{') and b"shutting down" in last,
                 f"{what}: then why it was cut: {last[:100]}")
    checks.check(ended, f"{what}: and its end")


def check_plain(checks):
    with Oracle(rows=16, context=8192, drain_timeout_ms=500) as oracle:
        readers = {"no reader": Reader(oracle.port, STREAM),
                   "no reader, HTTP/1.0": Reader(oracle.port, STREAM, version="1.0"),
                   "four choices": Reader(oracle.port, {**STREAM, "n": 4}),
                   "a slow reader": Reader(oracle.port, STREAM)}
        checks.check(eventually(lambda: look(oracle)["sequences"]["paused"] >= 7),
                     f"streams wait for their readers: {look(oracle)['sequences']}")
        whole = Reader(oracle.port, WHOLE)
        checks.check(eventually(lambda: any(one["output_tokens"] == 500
                                            for one in look(oracle)["requests"])),
                     "a whole answer is made")
        oracle.terminate()
        readers["a slow reader"].trickle(1.5)
        checks.equal(oracle.exit_code(), 0, "exit code")
        for what, reader in readers.items():
            told(checks, what, reader.rest(), chunked="1.0" not in what)
            reader.close()
        answer = whole.answer()
        checks.equal(answer and answer.json()["usage"]["completion_tokens"], 500,
                     "a whole answer that was made comes whole")
        whole.close()


def check_tls(checks, folder):
    certificate, key = make_certificate(folder)
    tls = ssl.create_default_context(cafile=certificate)
    with Oracle(rows=4, context=8192, drain_timeout_ms=500, ssl_certfile=certificate,
                ssl_keyfile=key) as oracle:
        reader = Reader(oracle.port, STREAM, tls=tls)
        live = request("GET", "/requests")
        checks.check(eventually(lambda: exchange(oracle.port, live, tls=tls).json()["sequences"]
                                ["paused"] == 1), "TLS: a stream waits for its reader")
        oracle.terminate()
        checks.equal(oracle.exit_code(), 0, "TLS: exit code")
        told(checks, "TLS", reader.rest())
        reader.close()


def main():
    checks = Checks()
    check_plain(checks)
    with tempfile.TemporaryDirectory() as folder:
        check_tls(checks, folder)
    checks.finish()


if __name__ == "__main__":
    main()
