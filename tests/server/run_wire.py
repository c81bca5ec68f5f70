"""`ingot serve` on raw sockets: what is ambiguous, too large or no JSON is refused.

Every refusal has OpenAI's error body; one that leaves the end of the request unclear closes.
"""

import json
import re

from server_harness import TINY, Server, Wire, exchange, request

from cli_harness import Checks

PATH = "/v1/completions"
BODY = {"prompt": [1, 2, 3], "max_tokens": 4, "temperature": 0, "return_token_ids": True}
DATA = json.dumps(BODY).encode()
JSON = "Content-Type: application/json"
MODELS = request("GET", "/v1/models")
FOREIGN = re.compile(r"0x[0-9a-f]{5,}|nlohmann|boost|\[json|std::|/work/|/home/|\.cc\b", re.ASCII)


def post(*headers, body=b"", host="Host: localhost"):
    lines = [f"POST {PATH} HTTP/1.1", *([host] if host else []), JSON, *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(*chunks, end=b"0\r\n\r\n"):
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + end


def peak(server):
    """The most memory that the server has had, in KiB."""
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmHWM:\s*(\d+) kB", file.read())[1])


class Case:
    def __init__(self, checks, server):
        self.checks = checks
        self.server = server

    def refused(self, what, data, *statuses, closed=True, param=None):
        answer = exchange(self.server.port, data)
        if answer is None:
            return self.checks.check(False, f"{what}: no answer")
        error = (answer.json() or {}).get("error") or {}
        good = answer.status in statuses and set(error) == {"message", "type", "param", "code"}
        good &= not FOREIGN.search(str(error.get("message")))
        good &= param is None or error.get("param") == param
        if closed:
            good &= answer.closed and answer.headers.get("connection") == "close"
        return self.checks.check(good, f"{what}: {answer.status} {error.get('message')}"
                                       f"{'' if answer.closed or not closed else ' NOT CLOSED'}")

    def answered(self, what, data, status=200, **more):
        answer = exchange(self.server.port, data, **more)
        found = answer.status if answer else "no answer"
        self.checks.equal(found, status, f"{what}: status")
        return answer

    def tokens(self, what, data):
        answer = self.answered(what, data)
        body = (answer.json() if answer else None) or {}
        return body["choices"][0]["token_ids"] if "choices" in body else None


def check_lengths(case):
    both = post("Content-Length: 5", "Transfer-Encoding: chunked", body=chunked(DATA))
    case.refused("Content-Length and Transfer-Encoding", both, 400)
    for first, second in ((5, 5), (5, 6), (len(DATA), len(DATA))):
        twice = post(f"Content-Length: {first}", f"Content-Length: {second}", body=DATA)
        case.refused(f"Content-Length {first} and {second}", twice, 400)
    for value in ("-2", "+5", "0x5", "5 5", "5, 5", "5,6", "1e1", "", "5.0", "9" * 25, "\u00b2"):
        case.refused(f"Content-Length: {value!r}", post(f"Content-Length: {value}", body=DATA), 400)
    twice = post(*["Transfer-Encoding: chunked"] * 2, body=chunked(DATA))
    case.refused("two Transfer-Encodings", twice, 400)
    for value in ("gzip", "gzip, chunked", "chunked, chunked", "xchunked", "\"chunked\""):
        coded = post(f"Transfer-Encoding: {value}", body=chunked(DATA))
        case.refused(f"Transfer-Encoding: {value}", coded, 400, 501)
    old = post("Transfer-Encoding: chunked", body=chunked(DATA)).replace(b"HTTP/1.1", b"HTTP/1.0")
    case.refused("Transfer-Encoding in HTTP/1.0", old, 400)


def check_chunks(case, tokens):
    coded = "Transfer-Encoding: chunked"
    for size in ("-2", "+5", "0x5", " 5", "g", "", "5_0", "f" * 17, "1" + "0" * 16, "5\n"):
        body = f"{size}\r\n".encode() + DATA[:5] + b"\r\n" + chunked(DATA[5:])
        case.refused(f"chunk size {size!r}", post(coded, body=body), 400)
    bad_end = b"%x\r\n%sXX0\r\n\r\n" % (len(DATA), DATA)
    case.refused("a chunk without its CR LF", post(coded, body=bad_end), 400)
    single = chunked(*(DATA[i:i + 1] for i in range(len(DATA))))
    case.checks.equal(case.tokens("chunks of one byte", post(coded, body=single)), tokens,
                      "chunks of one byte: the same tokens")
    many = chunked(*([b" "] * 100_000), DATA)
    case.checks.equal(case.tokens("10^5 chunks of one byte", post(coded, body=many)), tokens,
                      "10^5 chunks of one byte: the same tokens")
    extended = b"%x;name=value\r\n%s\r\n0\r\n\r\n" % (len(DATA), DATA)
    case.answered("a chunk extension", post(coded, body=extended))
    case.answered("a trailer", post(coded, body=chunked(DATA, end=b"0\r\nX-More: 1\r\n\r\n")))
    case.answered("CHUNKED", post("transfer-encoding: CHUNKED", body=chunked(DATA)))


def check_heads(case):
    length = f"Content-Length: {len(DATA)}"
    good = post(length, body=DATA)
    case.refused("a bare LF after the first line", good.replace(b"\r\n", b"\n", 1), 400)
    case.refused("a bare LF after a header", good.replace(b"json\r\n", b"json\n", 1), 400)
    case.refused("bare LFs alone", good.replace(b"\r\n", b"\n"), 400)
    case.refused("a bare CR", post(length, "X-A: b\rX-C: d", body=DATA), 400)
    case.refused("a folded header", post(length, "X-A: b", "  c", body=DATA), 400)
    case.refused("a NUL in a value", post(length, "X-A: b\0c", body=DATA), 400)
    case.refused("a NUL in a name", post(length, "X\0A: b", body=DATA), 400)
    case.refused("a space before the colon", post(f"Content-Length : {len(DATA)}", body=DATA), 400)
    case.refused("a header without a colon", post(length, "X-A", body=DATA), 400)
    case.refused("a header without a name", post(length, ": x", body=DATA), 400)
    case.refused("no Host", post(length, body=DATA, host=None), 400)
    case.refused("two Hosts", post(length, "Host: other", body=DATA), 400)
    case.refused("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505)
    for line in ("GET /v1/models", "GET  /v1/models HTTP/1.1", "GET /v1/models HTTP/1.1 ",
                 "GET /v1/ models HTTP/1.1", "GET v1/models HTTP/1.1", "G(T /v1/models HTTP/1.1",
                 "GET /v1/models http/1.1", "GET /v1/models HTTP/1.10", "GET /a#b HTTP/1.1",
                 " GET /v1/models HTTP/1.1", "GET\t/v1/models\tHTTP/1.1", "GET /\x7f HTTP/1.1"):
        case.refused(repr(line), line.encode() + b"\r\nHost: localhost\r\n\r\n", 400)
    for version in ("2.0", "1.2", "0.9", "9.9"):
        case.refused(f"HTTP/{version}", MODELS.replace(b"1.1", version.encode()), 505)
    case.refused("a line of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400)


def check_limits(case):
    case.refused("a header of 70,000 bytes", post("X-A: " + "a" * 70_000), 431)
    case.refused("a target of 70,000 bytes", request("GET", "/" + "a" * 70_000), 431)
    case.refused("10^4 headers", post(*["a: b"] * 10_000), 431)
    case.refused("129 headers", post(*["a: b"] * 127), 431)
    for length in (40_000_000, 10**14):
        case.refused(f"Content-Length: {length}", post(f"Content-Length: {length}"), 413)


def check_bodies(case):
    block = b" " * (1 << 20)
    body = chunked(*[block] * 34)
    case.refused("34 MiB in chunks", post("Transfer-Encoding: chunked", body=body), 413)
    big = b" " * (31 << 20) + DATA
    case.answered("a body of 31 MiB", post(f"Content-Length: {len(big)}", body=big))


def check_types(case):
    zipped = post("Content-Encoding: gzip", "Content-Length: 20", body=b"\x1f\x8b" + b"\0" * 18)
    case.refused("a gzip body", zipped, 415)
    for name in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""):
        other = post(f"Content-Length: {len(DATA)}", body=DATA)
        other = other.replace(b"application/json", name.encode())
        case.refused(f"Content-Type: {name}", other, 415, closed=False)
    charset = post(f"Content-Length: {len(DATA)}", body=DATA)
    case.answered("a charset", charset.replace(b"/json", b"/json; charset=utf-8"))


def check_expect(case):
    checks = case.checks
    head = post(f"Content-Length: {len(DATA)}", "Expect: 100-continue")
    with Wire(case.server.port) as wire:
        wire.send(head)
        checks.equal(wire.answer().status, 100, "Expect: the server asks for the body")
        wire.send(DATA)
        checks.equal(wire.answer().status, 200, "Expect: and answers")
    case.refused("Expect and too long a body", post("Content-Length: 40000000",
                                                    "Expect: 100-continue"), 413)
    case.refused("another expectation", post(f"Content-Length: {len(DATA)}", "Expect: 200-ok",
                                             body=DATA), 417)


def check_connections(case, tokens):
    checks, port = case.checks, case.server.port
    completion = request("POST", PATH, BODY)
    with Wire(port) as wire:
        wire.send((MODELS + completion) * 8)
        answers = [wire.answer() for _ in range(16)]
        checks.equal([a and a.status for a in answers], [200] * 16, "16 pipelined requests")
        checks.equal(["choices" in a.json() for a in answers if a], [False, True] * 8,
                     "pipelined: answers in order")
        wire.send(MODELS.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        checks.check(wire.answer().status == 200 and wire.ended(), "Connection: close is heeded")
    with Wire(port) as wire:
        for byte in completion:
            wire.send(bytes([byte]))
        found = wire.answer().json()["choices"][0]["token_ids"]
        checks.equal(found, tokens, "a request that comes byte by byte")
        wire.send(request("POST", "/nowhere", BODY) + MODELS)
        checks.equal([wire.answer().status, wire.answer().status], [404, 200],
                     "a wrong endpoint leaves the connection open")
        wire.send(request("GET", PATH) + request("DELETE", "/v1/models") + MODELS)
        refused = [wire.answer(), wire.answer()]
        checks.equal([a.status for a in refused], [405, 405], "wrong methods")
        checks.equal([a.headers.get("allow") for a in refused], ["post", "get, head"], "Allow")
        checks.equal(wire.answer().status, 200, "a wrong method leaves the connection open")
    with Wire(port) as wire:
        wire.send(request("HEAD", "/v1/models") + MODELS)
        head, whole = wire.answer(body=False), wire.answer()
        checks.equal((head.status, head.headers["content-length"]), (200, str(len(whole.body))),
                     "HEAD: the head of GET, without its body")
    answer = exchange(port, request("GET", "/v1/models", version="1.0"))
    checks.check(answer.status == 200 and answer.closed, "HTTP/1.0: answered and closed")
    with Wire(port) as wire:
        wire.send(request("GET", "/v1/models", None, "Connection: keep-alive", version="1.0") * 2)
        checks.equal([wire.answer().status, wire.answer().status], [200, 200],
                     "HTTP/1.0 with keep-alive")
    with Wire(port) as wire:
        wire.send(request("POST", PATH, {**BODY, "stream": True}, version="1.0"))
        _, headers = wire.head()
        while wire.more():
            pass
        checks.check("transfer-encoding" not in headers, "HTTP/1.0: a stream without chunks")
        checks.check(wire.buffer.startswith(b"data: {") and
                     wire.buffer.endswith(b"data: [DONE]\n\n"), "HTTP/1.0: up to the end")
    with Wire(port) as wire:
        wire.send(MODELS)
        wire.socket.shutdown(1)
        checks.equal(wire.answer().status, 200, "a client that closed its side gets its answer")
        checks.check(wire.ended(), "and the end")
    case.answered("an absolute target", request("GET", "http://localhost/v1/models"))
    case.answered("a query", request("GET", "/v1/models?a=b"))


def check_json(case):
    def body(what, data, param=None):
        case.refused(what, request("POST", PATH, data), 400, closed=False, param=param)

    for data in (b"", b"[]", b"1", b"null", b"\"text\"", b"true", b"[{}]"):
        body(f"not an object: {data!r}", data)
    for opening in (b"[", b'{"a":'):
        body(f"10^5 times {opening.decode()}", opening * 100_000)
        body(f"129 times {opening.decode()}",
             b'{"prompt":' + opening * 128 + b"1" + {b"[": b"]"}.get(opening, b"}") * 128 + b"}")
    for text in (r'"\ud800"', r'"\udc00"', r'"\ud800\u0041"', r'"\ud83d"', '"\x01"', '"a\nb"',
                 r'"\x"', r'"\u12"', "'a'", "NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1",
                 "0x1", "1e999", "[1,]", "[1 2]", "{,}", "{1:2}", "tru", "/* */ 1", "\"a"):
        body(f"prompt: {text!r}", b'{"prompt":' + text.encode() + b"}")
    for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"):
        body(f"bytes that are no UTF-8: {bad!r}", b'{"prompt":"' + bad + b'"}')
    body("a key twice", b'{"prompt":[1],"n":1,"n":1}')
    body("a key twice, escaped", b'{"prompt":[1],"n":1,"\\u006e":1}')
    body("a key twice, deeper", b'{"prompt":[1],"stream_options":{"x":1,"x":1}}')
    body("more behind the end", DATA + b"x")
    body("two documents", DATA + DATA)
    for prompt in ([512], [-1], [1.5], [2**63], [2**31], ["1", 2], [True], [None], [[]],
                   [[1], "a"]):
        case.refused(f"prompt: {prompt}", request("POST", PATH, {"prompt": prompt}), 400,
                     closed=False)
    for prompt in ([], {}, 1, True):
        body(f"prompt: {prompt}", json.dumps({"prompt": prompt}).encode(), "prompt")
    body("prompt: null", b'{"prompt":null}', "prompt")
    long = {"prompt": [1] * 256}
    case.refused("a prompt as long as the context", request("POST", PATH, long), 400, closed=False)


def wrong_values(schema):
    """Values that a field's schema in /openapi.json does not allow."""
    kinds = schema.get("anyOf", [schema])
    types = {kind["type"] for kind in kinds if "type" in kind}
    samples = {"boolean": True, "integer": 1, "number": 1.5, "string": "x", "array": [],
               "object": {}}
    if not types:
        return
    for name, value in samples.items():
        if name not in types and not (name == "integer" and "number" in types):
            yield value
    for kind in kinds:
        low, high = kind.get("minimum"), kind.get("maximum")
        if low is not None:
            yield from (low - 1, -1e308, -2**65)
        if "exclusiveMinimum" in kind:
            yield from (kind["exclusiveMinimum"], kind["exclusiveMinimum"] - 1)
        if high is not None:
            yield from (high + 1, 1e308, 2**64, 2**65)


def taken(schema):
    """A value that a field's schema takes."""
    kind = schema.get("anyOf", [schema])[0]
    if "enum" in kind:
        return kind["enum"][0]
    if kind.get("type") == "object":
        return object_of(kind)
    if kind.get("type") == "array":
        return [taken(kind.get("items", {"type": "string"}))] * int(kind.get("minItems", 0))
    return {"boolean": True, "string": "x", "integer": int(kind.get("minimum", 1)),
            "number": kind.get("minimum", 1)}.get(kind.get("type"))


def object_of(schema, more=None):
    fields = schema.get("properties", {})
    return {name: taken(fields[name]) for name in schema.get("required", [])} | (more or {})


def all_fields(schema, path="", wrap=lambda body: body, outermost=True):
    """(path, schema, a function from its value to a body) of all fields, those within fields too.
    What must stand beside an inner one does."""
    for name, field in schema.get("properties", {}).items():

        def body_of(value, name=name):
            return wrap({name: value} if outermost else object_of(schema, {name: value}))

        yield path + name, field, body_of
        for kind in field.get("anyOf", [field]):
            yield from all_fields(kind, f"{path}{name}.", body_of, False)
            yield from all_fields(kind.get("items", {}), f"{path}{name}[0].",
                                  lambda value, body_of=body_of: body_of([value]), False)


def check_fields(case):
    """Every field of every endpoint with values that it does not take."""
    checks = case.checks
    whole = exchange(case.server.port, request("GET", "/openapi.json")).json()
    wrong, inner, count = [], set(), 0
    with Wire(case.server.port) as wire:
        for path, methods in whole["paths"].items():
            content = methods.get("post", {}).get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            if "$ref" in schema:
                schema = whole["components"]["schemas"][schema["$ref"].split("/")[-1]]
            for name, field, body_of in all_fields(schema):
                for value in wrong_values(field):
                    wire.send(request("POST", path, body_of(value)))
                    answer = wire.answer()
                    count += 1
                    inner.update([name] if "." in name else [])
                    if answer.status != 400 or answer.error("param") != name:
                        wrong.append((path, name, value, answer.status, answer.error("param")))
    checks.check(count > 500, f"{count} wrong values of fields were sent")
    known = {"response_format.json_schema.name", "stream_options.include_usage",
             "structured_outputs.regex", "tools[0].function.name", "messages[0].role"}
    checks.equal(known - inner, set(), f"{len(inner)} fields within fields among them")
    checks.equal(wrong, [], "each is refused by its name")


def main():
    checks = Checks()
    with Server(TINY) as server:
        case = Case(checks, server)
        tokens = case.tokens("a good request", post(f"Content-Length: {len(DATA)}", body=DATA))
        checks.equal(len(tokens or []), 4, "it has 4 tokens")
        before = peak(server)
        check_lengths(case)
        check_chunks(case, tokens)
        check_heads(case)
        check_limits(case)
        check_types(case)
        grown = peak(server) - before
        checks.check(grown < 8 << 10, f"until here the server's memory grew by {grown} KiB")
        check_bodies(case)
        check_expect(case)
        check_connections(case, tokens)
        check_json(case)
        check_fields(case)
        again = case.tokens("the good request", post(f"Content-Length: {len(DATA)}", body=DATA))
        checks.equal(again, tokens, "after all that: the same tokens")
        checks.equal(server.stop(), 0, "SIGTERM: exit code")
    checks.finish()


if __name__ == "__main__":
    main()
