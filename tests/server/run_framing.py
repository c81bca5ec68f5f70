"""`ingot serve` on raw sockets: where a request ends. Forms that servers have been found to read in
two ways are refused and the connection is closed, or are answered and the next request is read from
where it begins; nothing in between. run_wire.py has the single faults, this script their places,
mixtures and what comes behind them.
"""

import json

from server_harness import TINY, Server, Wire, request

from cli_harness import Checks

PATH = "/v1/completions"
DATA = json.dumps({"prompt": [1, 2, 3], "max_tokens": 1}).encode()
# Behind each request stands one that has an answer of its own, and closes.
NEXT = request("GET", "/version", None, "Connection: close")
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
LENGTH = f"Content-Length: {len(DATA)}"
CODED = "Transfer-Encoding: chunked"


def post(*headers, body=DATA, line=f"POST {PATH} HTTP/1.1", host="Host: localhost"):
    lines = [line, host, "Content-Type: application/json", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(*chunks, end=b"0\r\n\r\n"):
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + end


def get(line, *headers):
    return "\r\n".join([line, "Host: localhost", *headers]).encode("latin-1") + b"\r\n\r\n"


class Case:
    def __init__(self, checks, port):
        self.checks = checks
        self.port = port

    def answers(self, data, head=False):
        """Statuses up to the end of the connection; what is no answer, whole."""
        found = []
        with Wire(self.port) as wire:
            wire.send(data + NEXT)
            while answer := wire.answer(body=not (head and not found)):
                found.append(answer.status)
            if wire.buffer:
                found.append(wire.buffer)
        return found

    def refused(self, what, data, *statuses):
        """One answer, and the end: what is behind it is not read as a request."""
        found = self.answers(data)
        self.checks.check(len(found) == 1 and found[0] in (statuses or (400,)),
                          f"{what}: refused: {found}")

    def taken(self, what, data, *statuses, head=False):
        """Answered, and so is the next."""
        self.checks.equal(self.answers(data, head), [*(statuses or (200,)), 200], what)


def check_two_lengths(case):
    behind = chunked(DATA) + SMUGGLED
    for first, second in ((LENGTH, CODED), (CODED, LENGTH), (CODED, "Content-Length: 0"),
                          ("Content-Length: 0", CODED), ("content-length: 4", CODED.upper())):
        case.refused(f"{first} and {second}", post(first, second, body=behind))
    for name in ("Content-Length", "CONTENT-LENGTH", "content-length"):
        case.refused(f"Content-Length and {name}", post(LENGTH, f"{name}: {len(DATA)}"))
    case.refused("two lengths, others between", post("Content-Length: 0", *["X-A: b"] * 20, LENGTH))
    for value in ("0,", ",0", f"{len(DATA)},{len(DATA)}", f"{len(DATA)} ;a", f"{len(DATA)}\x0b",
                  f"{len(DATA)}\x0c", f"\x0b{len(DATA)}", "\xa05", "5\xa0", "05x", "1_0",
                  "18446744073709551616", "18446744073709551621", "9223372036854775808", "--1"):
        case.refused(f"Content-Length {value!r}", post(f"Content-Length: {value}"))
    case.taken("Content-Length with zeros before it", post(f"Content-Length: 00{len(DATA)}"))
    case.taken("Content-Length between tabs", post(f"Content-Length:\t{len(DATA)}\t "))
    case.taken("Content-Length without a space", post(f"Content-Length:{len(DATA)}"))
    for value in ("chunked,", ",chunked", "chunked, ,", "identity", "chunked identity", "chun ked",
                  "chunked;q=1", "chunked\x0b", "\x0bchunked", "deflate, chunked", "CHUNKED,GZIP",
                  "trailers", "", "chunked\xa0", "'chunked'"):
        case.refused(f"Transfer-Encoding {value!r}",
                     post(f"Transfer-Encoding: {value}", body=behind), 400, 501)
    case.taken("Transfer-Encoding between tabs", post("Transfer-Encoding: \tchunked\t",
                                                      body=chunked(DATA)))
    # No body without a length: what stands there is the next request.
    case.taken("a POST without a length", post(body=b""), 400)
    for name in ("Transfer_Encoding", "X-Transfer-Encoding", "TE", "Content_Length"):
        case.taken(f"{name} has no meaning", post(LENGTH, f"{name}: chunked"))


def check_chunks(case):
    def body(text):
        return post(CODED, body=text)

    size = b"%x" % len(DATA)
    rest = b"\r\n" + DATA + b"\r\n0\r\n\r\n"
    for text in (b"0x" + size, b"+" + size, b"-" + size, b" " + size, b"\t" + size, b"\r\n" + size,
                 b"_" + size, size + b"h", size + b"\x0b", size + b"\0", b"", b"\xb2",
                 b"1" + b"0" * 16, b"f" * 16, b"f" * 40, b"7" + b"f" * 15, b"8" + b"0" * 15):
        case.refused(f"chunk size {text!r}", body(text + rest), 400, 413)
    for text in (size + b"\n" + DATA + b"\r\n0\r\n\r\n", size + b"\r" + DATA + b"\r\n0\r\n\r\n",
                 size + b"\r\n" + DATA + b"\n0\r\n\r\n", size + b"\r\n" + DATA + b"\r0\r\n\r\n",
                 size + b"\r\n" + DATA + b"0\r\n\r\n", size + b"\r\n" + DATA + b"\r\n0\n\n",
                 size + b"\r\n" + DATA + b"\r\n0\r\n\n"):
        case.refused(f"a line end in chunks: {text[:2] + text[-12:]!r}", body(text))
    case.taken("sizes with zeros and capitals", body(chunked(DATA).replace(size, b"000" +
                                                                         size.upper(), 1)))
    for extension in (b";a", b";a=b", b';a="b c"', b";a=b;c=d", b" ;a=b", b";" + b"a" * 1000):
        case.taken(f"a chunk's extension {extension[:12]!r}",
                   body(chunked(DATA).replace(size, size + extension, 1)))
    for extension in (b";a=\n", b";a=\nb", b";a=\r", b";a\0", b"a=b", b" a"):
        case.refused(f"a chunk's extension {extension!r}",
                     body(chunked(DATA).replace(size, size + extension, 1)))
    case.refused("a chunk's extension of 100,000 bytes",
                 body(chunked(DATA).replace(size, size + b";" + b"a" * 100_000, 1)), 400, 431)
    for trailer in (b"X-A: b\r\n", b"Host: other\r\nX-C: d\r\n"):
        case.taken(f"a trailer {trailer!r}", body(chunked(DATA, end=b"0\r\n" + trailer + b"\r\n")))
    for trailer in (b"no colon\r\n", b"X-A : b\r\n", b"X-A: b\n", b": b\r\n", b"X\0A: b\r\n",
                    b"Content-Length: 5\r\n", b"Transfer-Encoding: gzip\r\n"):
        case.refused(f"a trailer {trailer!r}",
                     body(chunked(DATA, end=b"0\r\n" + trailer + b"\r\n")))
    case.refused("trailers of 100,000 bytes",
                 body(chunked(DATA, end=b"0\r\n" + b"X-A: b\r\n" * 12_500 + b"\r\n")), 400, 431)


def check_lines(case):
    good = post(LENGTH)
    for what, data in (("a line end before a request", b"\r\n" + good),
                       ("a space before a request", b" " + good),
                       ("a tab in the first line", good.replace(b" HTTP", b"\tHTTP", 1)),
                       ("two spaces in it", good.replace(b" HTTP", b"  HTTP", 1)),
                       ("a space behind it", good.replace(b"HTTP/1.1", b"HTTP/1.1 ", 1)),
                       ("a CR in it", good.replace(b" HTTP", b"\rHTTP", 1)),
                       ("a bare CR as its end", good.replace(b"\r\n", b"\r", 1)),
                       ("CR CR LF", good.replace(b"\r\n", b"\r\r\n", 1)),
                       ("LF CR", good.replace(b"\r\n", b"\n\r", 1)),
                       ("a bare LF before the body", good.replace(b"\r\n\r\n", b"\r\n\n")),
                       ("a bare CR before the body", good.replace(b"\r\n\r\n", b"\r\n\r"
                                                                  b"X-A: b\r\n\r\n")),
                       ("a folded first header", good.replace(b"Host", b" Host", 1)),
                       ("a header folded by a tab", post("X-A: b", "\tc", LENGTH)),
                       ("an empty folded line", post("X-A: b", " ", LENGTH)),
                       ("a folded length", post("Content-Length:", f" {len(DATA)}")),
                       ("a folded coding", post("Transfer-Encoding:", " chunked")),
                       ("a tab before the colon", post(f"Content-Length\t: {len(DATA)}")),
                       ("a space in a name", post("X A: b", LENGTH)),
                       ("a slash in a name", post("X/A: b", LENGTH)),
                       ("brackets in a name", post("X(A): b", LENGTH)),
                       ("a byte of UTF-8 in a name", post("X\xe9: b", LENGTH)),
                       ("a CR in a value", post(f"X-A: b\r{LENGTH}")),
                       ("a LF in a value", post(f"X-A: b\n{LENGTH}")),
                       ("a NUL in a value", post("X-A: b\0", LENGTH)),
                       ("a bell in a value", post("X-A: b\7", LENGTH)),
                       ("two hosts", post("host: localhost", LENGTH))):
        case.refused(what, data)
    case.taken("an empty value", post("X-A:", "X-B: ", LENGTH))
    case.taken("bytes beyond ASCII in a value", post("X-A: \xe9\xff", LENGTH))
    case.taken("all that a name may have", post("!#$%&'*+-.^_`|~09azAZ: b", LENGTH))
    for version in ("HTTP/1.01", "HTTP/01.1", "HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/+1.1",
                    "HTTP 1.1", "HTTPS/1.1", "Http/1.1", "HTTP/1,1", "HTTP/1.1x", "ICY/1.1",
                    "RTSP/1.0"):
        case.refused(version, post(LENGTH, line=f"POST {PATH} {version}"), 400, 505)


def check_methods(case):
    case.taken("HEAD", get("HEAD /v1/models HTTP/1.1"), head=True)
    case.taken("HEAD of what is not there", get("HEAD /nowhere HTTP/1.1"), 404, head=True)
    case.taken("OPTIONS", get("OPTIONS /v1/models HTTP/1.1"), 405)
    case.taken("OPTIONS *", get("OPTIONS * HTTP/1.1"), 404)
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "get", "FOO"):
        case.taken(method, get(f"{method} /v1/models HTTP/1.1"), 405)
    case.refused("CONNECT", get("CONNECT localhost:80 HTTP/1.1"), 400, 405)
    case.taken("a GET with a body", post(LENGTH, line="GET /v1/models HTTP/1.1"))
    case.taken("a GET with chunks", post(CODED, body=chunked(DATA), line="GET /version HTTP/1.1"))
    case.taken("a DELETE with a body", post(LENGTH, line="DELETE /version HTTP/1.1"), 405)
    case.taken("an absolute target", get("GET http://localhost/v1/models HTTP/1.1"))
    case.taken("one without a path", get("GET http://localhost?a=b HTTP/1.1"))
    for target in ("//v1/models", "/v1/models/", "/v1/../v1/models", "/v1//models",
                   "/%76%31/models"):
        case.taken(f"{target} is no other path", get(f"GET {target} HTTP/1.1"), 404)
    for target in ("*", "v1/models", "ftp://localhost/v1/models", "http:/v1/models", "\\v1", "?a"):
        case.refused(f"the target {target}", get(f"GET {target} HTTP/1.1"))


def check_upgrades(case):
    """Offers that are not taken up: the answer is that of the plain request."""
    for name, more in (("websocket", ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
                                      "Sec-WebSocket-Version: 13"]),
                       ("h2c", ["HTTP2-Settings: AAMAAABkAAQAAP__"]), ("TLS/1.0", [])):
        upgrade = ("Connection: Upgrade", f"Upgrade: {name}", *more)
        case.taken(f"an upgrade to {name}", get("GET /v1/models HTTP/1.1", *upgrade))
        case.taken(f"a body with an upgrade to {name}", post(LENGTH, *upgrade))
    case.taken("Connection that names the length", post(LENGTH, "Connection: content-length"))
    for expect in ("100-Continue", "100-CONTINUE"):
        with Wire(case.port) as wire:
            wire.send(post(LENGTH, f"Expect: {expect}", body=b""))
            first = wire.answer().status
            wire.send(DATA + NEXT)
            case.checks.equal((first, wire.answer().status, wire.answer().status), (100, 200, 200),
                              f"Expect: {expect}")
    case.refused("an expectation that is none", post(LENGTH, "Expect: 100-continue, x"), 417)


def check_old(case):
    """HTTP/1.0: the end is that of the connection, unless both sides keep it."""
    for wish, kept in ((None, False), ("keep-alive", True), ("Keep-Alive", True), ("close", False)):
        headers = [f"Connection: {wish}"] if wish else []
        data = post(LENGTH, *headers, line=f"POST {PATH} HTTP/1.0")
        case.checks.equal(case.answers(data), [200, 200] if kept else [200],
                          f"HTTP/1.0, Connection: {wish}")
    case.refused("HTTP/1.0 with chunks and a length",
                 post(CODED, LENGTH, body=chunked(DATA), line=f"POST {PATH} HTTP/1.0"))
    for wish in ("close", "Close", "close, x", "x, close"):
        case.checks.equal(case.answers(post(LENGTH, f"Connection: {wish}")), [200],
                          f"HTTP/1.1, Connection: {wish}")


def check_pieces(case):
    """Cut in two anywhere, and many behind each other: the same answers."""
    data = post(CODED, body=chunked(DATA[:7], DATA[7:], end=b"0\r\nX-A: b\r\n\r\n")) + NEXT
    wrong = []
    for cut in range(1, len(data)):
        with Wire(case.port) as wire:
            wire.send(data[:cut])
            wire.send(data[cut:])
            found = [wire.answer(), wire.answer()]
            if [a and a.status for a in found] != [200, 200] or not wire.ended():
                wrong.append(cut)
    case.checks.equal(wrong, [], f"a request cut at each of {len(data) - 1} places")
    many = (get("GET /v1/models HTTP/1.1") + post(LENGTH) + post(CODED, body=chunked(DATA)) +
            get("GET /nowhere HTTP/1.1"))
    case.checks.equal(case.answers(many * 25), [200, 200, 200, 404] * 25 + [200],
                      "100 pipelined requests: each its own answer")
    case.checks.equal(case.answers(post(LENGTH) + post(LENGTH, CODED, body=SMUGGLED)), [200, 400],
                      "a fault behind a good request")


def main():
    checks = Checks()
    with Server(TINY) as server:
        case = Case(checks, server.port)
        for check in (check_two_lengths, check_chunks, check_lines, check_methods, check_upgrades,
                      check_old, check_pieces):
            check(case)
        case.taken("a good request, after all that", post(LENGTH))
        checks.equal(server.stop(), 0, "SIGTERM: exit code")
    checks.finish()


if __name__ == "__main__":
    main()
