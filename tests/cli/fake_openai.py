"""A server that speaks OpenAI's API in the ways of many makers, badly where it is asked to.

The request's model names what it does: see the functions of Handler called `model_…`. What it was
asked is kept in `requests`, each as (headers in lower case, body).
"""

import http.server
import json
import socket
import threading


def frame(text=None, finish=None, **more):
    delta = {} if text is None else {"content": text}
    return json.dumps({"id": "x", "object": "chat.completion.chunk",
                       "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/v1/models":
            self.json(200, {"object": "list", "data": [{"id": "odd"}, {"id": "cut"}]})
        else:
            self.json(404, {"detail": "Not Found"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.body = body
        try:
            getattr(self, "model_" + body["model"].replace("-", "_"))()
        except (BrokenPipeError, ConnectionResetError):
            self.server.gone.set()
            self.close_connection = True

    def json(self, status, body, **headers):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def error(self, status, message, **headers):
        self.json(status, {"error": {"message": message, "type": "t", "code": None}}, **headers)

    def begin(self, kind="text/event-stream"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        data = data if isinstance(data, bytes) else data.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def event(self, data):
        self.chunk(f"data: {data}\n\n")

    def end(self):
        self.chunk(b"")

    # Good answers in other clothes.

    def model_odd(self):
        """Bytes one by one, CR LF, comments, blanks between names and values, no [DONE] event."""
        self.begin("text/event-stream; charset=utf-8")
        spaced = '{ "choices" : [ { "delta" : { "content" : "%s" } , "finish_reason" : %s } ] }'
        stream = (": keep-alive\r\n\r\nevent: message\r\ndata:" + spaced % ("Grüße", "null")
                  + "\r\n\r\nretry: 10\r\ndata: " + spaced % (", odd", '"stop"') + "\r\n\r\n")
        for byte in stream.encode():
            self.chunk(bytes([byte]))
        self.end()

    def model_closed(self):
        """No length: the connection's end is the answer's."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(f"data: {frame('closed', 'stop')}\n\n".encode())
        self.close_connection = True

    def model_whole(self):
        self.json(200, {"choices": [{"message": {"role": "assistant", "content": "in one piece"},
                                     "finish_reason": "stop"}]})

    def model_strict(self):
        """Refuses what newer and older servers refuse."""
        for field, instead in (("stream_options", "none"), ("max_tokens", "max_completion_tokens")):
            if field in self.body:
                self.error(400, f"Unsupported parameter: '{field}', use '{instead}'")
                return
        self.begin()
        self.event(frame(f"at most {self.body['max_completion_tokens']}", "length"))
        self.end()

    def model_small(self):
        """Has room for one turn."""
        if len(self.body["messages"]) > 1:
            self.error(400, "This model's maximum context length is 8 tokens.")
            return
        self.begin()
        self.event(frame("small", "stop", usage={"completion_tokens": 41}))
        self.end()

    def model_escape(self):
        self.begin()
        self.event(frame("\x1b]0;taken\x07plain\x1b[2J", "stop"))
        self.end()

    def model_forgets(self):
        """Closes kept connections without a word."""
        self.begin()
        self.event(frame("here", "stop"))
        self.end()
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    # Bad ones.

    def model_cut(self):
        self.begin()
        self.event(frame("half of"))
        self.wfile.write(b"40\r\ndata: {")
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def model_short(self):
        """Ends in good order, before the answer does."""
        self.begin()
        self.event(frame("half of"))
        self.end()

    def model_fails(self):
        self.begin()
        self.event(frame("half of"))
        self.event(json.dumps({"error": {"message": "out of memory", "code": 500}}))
        self.end()

    def model_page(self):
        data = b"<html><body>Welcome!</body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def model_words(self):
        self.begin()
        self.event("no JSON at all")
        self.end()

    def model_key(self):
        self.error(401, "Incorrect API key provided")

    def model_busy(self):
        self.error(429, "Rate limit reached", Retry_After="7")

    def model_moved(self):
        self.json(307, {}, Location="https://elsewhere.example/v1")

    def model_none(self):
        self.error(404, "The model 'none' does not exist")

    def model_endless(self):
        self.begin()
        while not self.server.closing.is_set():
            self.event(frame("and "))
            self.server.closing.wait(0.02)

    def model_silent(self):
        self.begin()
        self.event(frame("hm"))
        self.server.closing.wait()
        self.close_connection = True


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that leave are part of the tests."""


class FakeServer:
    """On a free port of this machine until the end of `with`."""

    def __init__(self):
        self.server = Listener(("127.0.0.1", 0), Handler)
        self.server.requests = self.requests = []
        self.server.gone = self.gone = threading.Event()  # a client left in the middle
        self.server.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.closing.set()
        self.server.shutdown()
        self.server.server_close()


class RawServer:
    """Says `data` to whoever connects, and closes."""

    def __init__(self, data):
        self.data = data
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(self.data)

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
