"""`ingot serve`: who may call. Keys on every route in every form, CORS, TLS, what the log holds."""

import json
import os
import ssl
import tempfile
import warnings

from server_harness import TINY, Server, Wire, exchange, make_certificate, request

from cli_harness import Checks, ingot

KEY = "Sesame-key-of-the-test"
BODY = {"prompt": [1, 2, 3], "max_tokens": 2}
# The page's own path is that of a file; /page/ alone, and any other below it, are refused by 404.
OPEN = {"/livez", "/readyz", "/", "/v1/livez", "/v1/readyz"}
PAGE = "/page/{file}"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "FOO")
WRONG = ((), ("Authorization: Bearer wrong",), ("x-api-key: wrong",), ("Authorization: Bearer ",),
         ("Authorization: Bearer",), (f"Authorization: Basic {KEY}",), (f"Authorization: {KEY}",),
         (f"Authorization: Bearer {KEY}x",), (f"Authorization: Bearer {KEY[:-1]}",),
         (f"Authorization: Bearer {KEY.lower()}",), (f"Cookie: api_key={KEY}",),
         (f"Authorization: Bearer wrong, Bearer {KEY}",))
RIGHT = ((f"Authorization: Bearer {KEY}",), (f"authorization: bearer {KEY}",),
         (f"x-api-key: {KEY}",), (f"X-API-KEY:{KEY}  ",), ("Authorization: Bearer second-key",))
# Targets and headers that made other servers take a guarded path for an open one.
ODD_TARGETS = ("//v1/models", "/v1//models", "/V1/MODELS", "/v1/models/", "/v1/%6dodels",
               "/v1/./models", "/livez/../v1/models", "/livez/..%2fv1/models",
               "/livez%2f..%2fv1/models", "/livez;/v1/models", "/livez/", "/livez/v1/models",
               "/LIVEZ", "/%6civez", "/livez%00", "//livez", "/./livez", "/v1//livez", "/livez%3f",
               "/v1/models?/livez", "/v1/models;/livez", "http://localhost/v1/models",
               "http://livez/v1/models", "http://a@b/v1/models", "http://localhost//livez",
               "/v1/models%23/livez", "/readyz/..", "/page", "/page/", "//page/x", "/./", "/%2f",
               "/index.html", "/v1/v1/livez", "/v1/", "/v1", "/v1/livez/", "/V1/livez")
# Below the page's open path: never another endpoint.
PAGE_TARGETS = ("/page/x", "/page/../v1/models", "/page/..%2fv1/models", "/page//v1/models",
                "/page/%2e%2e/requests", "/page/chat.js", "/page/0123456789abcdef/chat.js")
ODD_HEADERS = ("X-Original-URL: /livez", "X-Rewrite-URL: /livez", "X-Forwarded-For: 127.0.0.1",
               "X-Forwarded-Prefix: /livez", "X-HTTP-Method-Override: GET",
               "Forwarded: for=127.0.0.1", "X-Forwarded-Host: localhost", "Origin: null",
               "Referer: http://localhost/livez", "X-Real-IP: 127.0.0.1", "Via: 1.1 localhost",
               "Upgrade: websocket")
ODD_HOSTS = ("Host: localhost/livez", "Host: /livez", "Host: localhost?/livez", "Host: ",
             "Host: a b", "Host: localhost:80@livez")


def statuses(port, requests):
    """{name: status} of requests, one connection each where the server closes it."""
    found, wire = {}, None
    for name, data, has_body in requests:
        wire = wire or Wire(port)
        wire.send(data)
        answer = wire.answer(body=has_body)
        found[name] = answer.status if answer else None
        if answer is None or answer.headers.get("connection") == "close":
            wire.close()
            wire = None
    if wire:
        wire.close()
    return found


def matrix(routes, keys, methods=METHODS):
    for path in routes:
        for method in methods:
            for headers in keys:
                body = BODY if method == "POST" else None
                data = request(method, path, body, *headers)
                yield (method, path, headers), data, method != "HEAD"


def check_keys(checks, server, routes):
    guarded = [path for path in routes if path not in OPEN | {PAGE}]
    checks.check(len(guarded) >= 10, f"{len(guarded)} guarded endpoints are known")
    twins = [path[3:] if path.startswith("/v1/") else "/v1" + path for path in guarded]
    paths = [*guarded, *twins, "/nowhere"]
    found = statuses(server.port, matrix(paths, WRONG))
    checks.equal({name: status for name, status in found.items() if status != 401}, {},
                 f"{len(found)} requests without a right key: all refused")
    found = statuses(server.port, matrix(OPEN, WRONG))
    through = {name[:2] for name, status in found.items() if status == 200}
    checks.equal(through, {(m, p) for m in ("GET", "HEAD") for p in OPEN},
                 "probes and the page answer without a key, to GET and HEAD")
    checks.equal({status for status in found.values()}, {200, 405}, "and refuse other methods")
    found = statuses(server.port, matrix(guarded, RIGHT, ("GET", "POST")))
    checks.equal({name for name, status in found.items() if status in (401, 403, None)}, set(),
                 f"{len(found)} requests with a right key: none refused for the key")
    taken = {name[1] for name, status in found.items() if status == 200}
    checks.check({"/v1/models", "/v1/completions", "/version", "/health"} <= taken,
                 f"with a right key: {sorted(taken)} answer")
    refused = exchange(server.port, request("GET", "/v1/models"))
    said = (refused.error("type"), refused.error("code"), refused.headers["www-authenticate"])
    checks.equal(said, ("authentication_error", "invalid_api_key", "bearer"), "a refusal says so")
    early = request("POST", "/v1/completions", BODY, "Expect: 100-continue")
    checks.equal(exchange(server.port, early).status, 401, "no body is asked for without a key")


def check_odd_forms(checks, server):
    data = [(t, request("GET", t), True) for t in ODD_TARGETS]
    data += [(h, request("GET", "/v1/models", None, h), True) for h in ODD_HEADERS]
    data += [(h, request("GET", "/v1/models").replace(b"Host: localhost", h.encode()), True)
             for h in ODD_HOSTS]
    data += [(f"{h} {m}", request(m, "/v1/completions", BODY, h), True)
             for h in ODD_HEADERS for m in ("POST", "GET")]
    found = statuses(server.port, data)
    checks.equal({name: status for name, status in found.items() if status not in (400, 401)}, {},
                 f"{len(found)} odd forms without a key: all refused")
    found = statuses(server.port, [(t, request("GET", t), True) for t in PAGE_TARGETS])
    checks.equal(set(found.values()), {404}, "the page's path leads to no other endpoint")


def check_unwanted_bodies(checks):
    """Bodies that no endpoint wants: large ones are not read, and none takes a caller's room."""
    key = f"Authorization: Bearer {KEY}"
    large, room = b"x" * 900_000, ("--max-body-memory", "1")  # MiB
    wanted = request("POST", "/v1/completions", json.dumps(BODY).encode() + b" " * 600_000, key)
    with Server(TINY, "--api-key", KEY, *room, "--allowed-origins", "https://a.example") as server:
        for method, path in (("GET", "/livez"), ("GET", "/"), ("GET", "/readyz"),
                             ("OPTIONS", "/v1/models")):
            with Wire(server.port) as wire:
                # The length is enough: nothing need come of it.
                wire.send(request(method, path, large)[:500])
                checks.equal(wire.answer().status, 413, f"{method} {path} with 900,000 bytes")
        chunked = request("GET", "/livez", None, "Transfer-Encoding: chunked")
        with Wire(server.port) as wire, Wire(server.port) as other:
            for each in (wire, other):
                each.send(chunked + b"1000\r\n" + b"x" * 4096 + b"\r\n")
            checks.equal(exchange(server.port, wanted).status, 200, "a caller beside them has room")
            wire.send(b"1\r\nx\r\n")
            checks.equal(wire.answer().status, 413, "GET /livez with 4,097 bytes in chunks")
        for path, method, status in (("/v1/nowhere", "POST", 404), ("/v1/models", "POST", 405)):
            found = exchange(server.port, request(method, path, large, key))
            checks.equal(found and found.status, status, f"{method} {path} with 900,000 bytes")
        with Wire(server.port) as wire:
            for size in (0, 1, 4096):
                wire.send(request("GET", "/livez", b"x" * size))
                checks.equal(wire.answer().status, 200, f"GET /livez with {size} bytes")
        checks.equal(exchange(server.port, wanted).status, 200, "a caller after them")


def check_log(checks, server):
    """Neither keys nor prompts, nor queries, are in the log."""
    marked = {"prompt": "a-prompt-to-keep", "stop": "a-stop-to-keep"}
    header = f"Authorization: Bearer {KEY}"
    exchange(server.port, request("POST", "/v1/completions?key=a-query-to-keep", marked, header))
    exchange(server.port, request("POST", "/v1/completions", b'{"a-field-to-keep', header))
    log = server.stderr()
    checks.check("POST /v1/completions 400" in log, "the log has the request")
    for text in (KEY, "second-key", "to-keep"):
        checks.check(text not in log, f"the log is without {text!r}")


def check_json_log(checks):
    """Each line an object; a request's has its id, and nothing that a client sent but the path."""
    env = {"INGOT_LOG": "info", "INGOT_LOG_FORMAT": "json"}
    with Server(TINY, "--api-key", KEY, env=env) as server:
        header = f"Authorization: Bearer {KEY}"
        body = {**BODY, "user": "a-user-to-keep"}
        answers = [
            exchange(server.port, request("POST", "/v1/completions?key=to-keep", body, header)),
            exchange(server.port, request("POST", "/v1/completions", b'{"to-keep', header)),
            exchange(server.port, request("GET", '/"odd\\path%22', None, f"x-api-key: {KEY}x")),
            exchange(server.port, request("POST", "/v1/completions", {**body, "stream": True},
                                          header))]
        checks.equal(server.stop(), 0, "JSON log: exit code")
        log = server.stderr()
    lines = [json.loads(line) for line in log.splitlines()]
    checks.equal([line for line in lines if not {"time", "level"} <= set(line)], [],
                 f"JSON log: {len(lines)} lines, each with time and level")
    events = [line.get("event") for line in lines]
    # A request's line may come behind "draining": it is written when the answer has gone.
    life = [event for event in events if event != "request"]
    checks.equal(life, ["listening", "ready", "draining"], "JSON log: the server's life")
    found = [line for line in lines if line.get("event") == "request"]
    checks.equal([line["request_id"] for line in found],
                 [answer.headers["x-request-id"] for answer in answers], "JSON log: request ids")
    checks.equal([(line["method"], line["path"], line["status"], line["stream"],
                   line.get("prompt_tokens"), line.get("output_tokens")) for line in found],
                 [("POST", "/v1/completions", 200, False, 3, 2),
                  ("POST", "/v1/completions", 400, False, None, None),
                  ("GET", '/"odd\\path%22', 401, False, None, None),
                  ("POST", "/v1/completions", 200, True, 3, 2)], "JSON log: what was asked")
    checks.check(all(line["ms"] > 0 for line in found), "JSON log: times")
    for text in (KEY, "to-keep"):
        checks.check(text not in log, f"the JSON log is without {text!r}")


def check_key_sources(checks, folder):
    path = os.path.join(folder, "keys")
    with open(path, "w", encoding="utf-8") as file:
        file.write("# of the team\nfile-key-1\r\n\nfile-key-2\n")
    with Server(TINY, "--api-key-file", path, env={"INGOT_API_KEY": "variable-key"}) as server:
        for key, status in (("file-key-1", 200), ("file-key-2", 200), ("variable-key", 200),
                            ("# of the team", 401), ("", 401)):
            checks.equal(status_of(server, key), status, f"key {key!r}")


def status_of(server, key):
    data = request("GET", "/v1/models", None, f"Authorization: Bearer {key}")
    return exchange(server.port, data).status


def check_keys_of_others(checks):
    """A key that another server would have taken from its variable is never ignored."""
    env = {"VLLM_API_KEY": "key-1", "LLAMA_API_KEY": "key-2"}
    for name, key in env.items():
        with Server(TINY, env={name: key}) as server:
            checks.equal([status_of(server, k) for k in (key, "", "key-3")], [200, 401, 401], name)
            checks.check(name in server.stderr(), f"{name}: a line says so")
            checks.check(key not in server.stderr(), f"{name}: without the key")
    with Server(TINY, "--host", "0.0.0.0", env=env) as server:
        checks.equal([status_of(server, k) for k in ("key-1", "key-2", "")], [200, 200, 401],
                     "both; they are keys to listen beyond this machine with")
    with Server(TINY, "--api-key", "own", env=env) as server:
        checks.equal([status_of(server, k) for k in ("own", "key-1", "")], [200, 401, 401],
                     "a key of this server's counts alone")
    with Server(TINY, env={"VLLM_API_KEY": "", "LLAMA_API_KEY": ""}) as server:
        checks.equal(status_of(server, ""), 200, "empty variables hold no key")


def cors(answer):
    return {k: v for k, v in answer.headers.items() if k.startswith("access-control-")}


def check_cors(checks):
    origin = "Origin: https://page.example"
    preflight = request("OPTIONS", "/v1/completions", None, origin,
                        "Access-Control-Request-Method: POST")
    with Server(TINY) as server:
        for name, data in (("GET", request("GET", "/v1/models", None, origin)),
                           ("OPTIONS", preflight),
                           ("POST", request("POST", "/v1/completions", BODY, origin))):
            answer = exchange(server.port, data)
            checks.equal(cors(answer), {}, f"no CORS headers unless asked: {name}")
        checks.equal(exchange(server.port, preflight).status, 405, "no preflight unless asked")
    with Server(TINY, "--allowed-origins", "https://page.example", "--allowed-origins",
                "https://other.example", "--api-key", KEY) as server:
        answer = exchange(server.port, preflight)
        checks.equal((answer.status, cors(answer).get("access-control-allow-origin")),
                     (204, "https://page.example"), "a preflight needs no key")
        checks.check("authorization" in cors(answer).get("access-control-allow-headers", ""),
                     "a preflight allows keys")
        # As OpenAI's client for JavaScript does in a browser.
        names = "authorization,content-type,x-stainless-arch,x-stainless-os,x-stainless-retry-count"
        for asked, allowed in ((names, names.replace(",", ", ")),
                               ("x-a, x b", "authorization, content-type, x-api-key")):
            wish = request("OPTIONS", "/v1/chat/completions", None, origin,
                           "Access-Control-Request-Method: POST",
                           f"Access-Control-Request-Headers: {asked}")
            answer = exchange(server.port, wish)
            found = cors(answer).get("access-control-allow-headers", "").lower()
            checks.equal((answer.status, found), (204, allowed), f"a preflight for {asked}")
            other = exchange(server.port, wish.replace(b"page.example", b"evil.example"))
            checks.equal(cors(other), {}, f"of another page for {asked}")
        data = request("POST", "/v1/completions", BODY, origin)
        answer = exchange(server.port, data)
        checks.equal((answer.status, cors(answer).get("access-control-allow-origin")),
                     (401, "https://page.example"), "a page can read that its key is missing")
        answer = exchange(server.port, data.replace(b"page.example", b"evil.example"))
        checks.equal(cors(answer), {}, "another page gets no header")
        checks.check("access-control-allow-credentials" not in cors(answer), "nor credentials")
        stream = request("POST", "/v1/completions", {**BODY, "stream": True}, origin,
                         f"x-api-key: {KEY}")
        checks.equal(cors(exchange(server.port, stream)).get("access-control-allow-origin"),
                     "https://page.example", "streams too")
    for wrong in ("x y", "page.example", "https://page.example/"):
        done = ingot("serve", TINY, "--port", "0", "--allowed-origins", wrong, timeout=60)
        checks.check(done.returncode == 2 and b"--allowed-origins: expected" in done.stderr,
                     f"--allowed-origins '{wrong}': {done.returncode}, {done.stderr[-200:]!r}")
    with Server(TINY, "--allowed-origins", "*") as server:
        answer = exchange(server.port, request("GET", "/v1/models", None, origin))
        checks.equal(cors(answer).get("access-control-allow-origin"), "*", "any page")


HOSTS = (("localhost", True), ("127.0.0.1:8000", True), ("[::1]:8000", True),
         ("chat.localhost", True), ("evil.example", False), ("evil.example:8000", False),
         ("127.0.0.1.evil.example", False), ("localhost.evil.example", False), ("", False),
         ("0.0.0.0", False), ("my-box:8000", False))


def hosts_taken(server, names, *headers, paths=("/v1/models", "/", "/livez", "/nowhere")):
    """The names with which nothing is refused for its Host; all answers to one must agree."""
    taken = []
    for name in names:
        found = set()
        for path in paths:
            data = request("GET", path, None, *headers).replace(b"Host: localhost",
                                                                b"Host: " + name.encode())
            answer = exchange(server.port, data)
            found.add(answer.status == 403)
            if answer.status == 403 and "--allowed-hosts" not in answer.error("message"):
                return f"{name}: a 403 without advice"
        if len(found) != 1:
            return f"{name}: refused for some paths alone"
        taken += [name] if found == {False} else []
    return taken


def check_hosts(checks):
    """A page whose name was made to point here (DNS rebinding) is told by its Host."""
    names = [name for name, _ in HOSTS]
    own = [name for name, fine in HOSTS if fine]
    with Server(TINY) as server:
        checks.equal(hosts_taken(server, names), own, "no key: this machine's own names")
        rebound = request("POST", "/v1/completions", BODY, "Origin: http://evil.example").replace(
            b"Host: localhost", b"Host: evil.example")
        checks.equal(exchange(server.port, rebound).status, 403, "a rebound page cannot ask")
        checks.equal(exchange(server.port, b"GET /livez HTTP/1.0\r\n\r\n").status, 200,
                     "HTTP/1.0 without a Host: no browser")
        text = request("GET", "/livez").replace(b"Host: localhost", b"Host: evil.example")
        checks.equal(exchange(server.port, text.replace(b"1.1", b"1.0")).status, 403,
                     "HTTP/1.0 with one")
    more = ["--allowed-hosts", "my-box", "--allowed-hosts", "evil.example:8000"]
    with Server(TINY, *more) as server:
        checks.equal(hosts_taken(server, names), [*own[:4], "evil.example:8000", "my-box:8000"],
                     "--allowed-hosts: more names")
    with Server(TINY, "--api-key", KEY) as server:
        checks.equal(hosts_taken(server, names, f"x-api-key: {KEY}"), names,
                     "with keys: any name, since a page has none")
    with Server(TINY, "--api-key", KEY, "--allowed-hosts", "my-box") as server:
        checks.equal(hosts_taken(server, names, f"x-api-key: {KEY}"), [*own, "my-box:8000"],
                     "with keys and names: those")
    with Server(TINY, "--allowed-hosts", "*") as server:
        checks.equal(hosts_taken(server, names), names, "'*': any name")
    with Server(TINY, "--host", "0.0.0.0", "--allow-no-key") as server:
        checks.equal(hosts_taken(server, names), names, "beyond this machine: any name")


def handshake(port, context):
    try:
        exchange(port, request("GET", "/v1/models"), tls=context)
    except (ssl.SSLError, ConnectionError) as error:
        return type(error).__name__
    return "done"


def check_tls(checks, folder):
    certificate, key = make_certificate(folder)
    context = ssl.create_default_context(cafile=certificate)
    with Server(TINY, "--ssl-certfile", certificate, "--ssl-keyfile", key) as server:
        answer = exchange(server.port, request("GET", "/v1/models"), tls=context)
        checks.equal(answer.status, 200, "TLS: a certificate that the client trusts")
        body = {**BODY, "max_tokens": 100, "ignore_eos": True}
        answer = exchange(server.port, request("POST", "/v1/completions", {**body, "stream": True}),
                          tls=context)
        checks.equal(answer.events()[-1], "[DONE]", "TLS: a stream to its end")
        closing = request("GET", "/v1/models", None, "Connection: close")
        checks.check(exchange(server.port, closing, tls=context).closed, "TLS: the end is told")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            only = ssl.create_default_context(cafile=certificate)
            only.minimum_version = only.maximum_version = version
            checks.equal(handshake(server.port, only), "done", f"TLS: {version.name}")
        old = ssl.create_default_context(cafile=certificate)
        old.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python deprecates them as well
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        checks.equal(handshake(server.port, old), "SSLError", "TLS: 1.1 is refused")
        for cipher in ("aNULL@SECLEVEL=0", "eNULL@SECLEVEL=0", "RC4:3DES@SECLEVEL=0"):
            weak = ssl.create_default_context(cafile=certificate)
            weak.maximum_version = ssl.TLSVersion.TLSv1_2
            try:
                weak.set_ciphers(cipher)
            except ssl.SSLError:
                continue  # this client has none of them
            checks.equal(handshake(server.port, weak), "SSLError", f"TLS: {cipher} is refused")
        checks.equal(exchange(server.port, request("GET", "/v1/models")), None,
                     "a plain request to the TLS port: no answer")
        answer = exchange(server.port, request("GET", "/v1/models"), tls=context)
        checks.equal(answer.status, 200, "TLS: the server goes on")
        checks.equal(server.stop(), 0, "TLS: exit code")


def main():
    checks = Checks()
    with Server(TINY, "--api-key", KEY, "--api-key", "second-key",
                env={"INGOT_LOG": "trace"}) as server:
        data = request("GET", "/openapi.json", None, f"x-api-key: {KEY}")
        routes = list(exchange(server.port, data).json()["paths"])
        check_keys(checks, server, routes)
        check_odd_forms(checks, server)
        check_log(checks, server)
    check_unwanted_bodies(checks)
    check_json_log(checks)
    check_hosts(checks)
    check_cors(checks)
    with tempfile.TemporaryDirectory() as folder:
        check_key_sources(checks, folder)
        check_keys_of_others(checks)
        check_tls(checks, folder)
    checks.finish()


if __name__ == "__main__":
    main()
