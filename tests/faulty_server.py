"""A server on 127.0.0.1 that publishes one file and fails in the ways that mirrors do."""

import gzip
import itertools
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = "".join(f"{name}\n" for name in ["anna", "bob", "zoé"] * 500).encode()


def refused_address():
    """An address at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/names.txt"


class FaultyServer(ThreadingHTTPServer):
    """Answers as the path says: a method of FaultyHandler, and perhaps its number, as in /cut/1024."""

    daemon_threads = True

    def __init__(self, content=CONTENT):
        super().__init__(("127.0.0.1", 0), FaultyHandler)
        self.content, self.asked, self.closing = content, [], threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.shutdown()
        self.thread.join()
        self.server_close()

    def handle_error(self, request, client_address):
        """Print nothing: a client that hangs up is what some tests are about."""

    def address(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"


class FaultyHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.strip("/")
        self.server.asked.append(path)
        fault, _, number = path.partition("/")
        getattr(self, fault)(*([int(number)] if number else []))

    def answer(self, body, length=None, **headers):
        """Send `body` as if it had `length` bytes; without a length at all where that is 0."""
        self.send_response(200)
        if length != 0:
            headers["Content-Length"] = len(body) if length is None else length
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def drip(self, seconds, pieces):
        """Send one piece after another, with pauses, until all are sent or the server closes."""
        for piece in pieces:
            if self.server.closing.wait(seconds):
                break
            self.wfile.write(piece)

    def good(self):
        self.answer(self.server.content)

    def gzip(self):
        self.answer(gzip.compress(self.server.content))

    def missing(self):
        self.send_error(404)

    def status(self, code):
        self.send_error(code)

    def wrong(self):
        self.answer(self.server.content.replace(b"b", b"r"))

    def empty(self):
        self.answer(b"")

    def cut(self, size=None):
        content = self.server.content
        self.answer(content[: len(content) // 2 if size is None else size], len(content))

    def short(self, size=None):
        """Like `cut`, but without a length only the checksum can tell that the end is missing."""
        content = self.server.content
        self.answer(content[: len(content) // 2 if size is None else size], 0)

    def chunked(self, size):
        """A chunk whose announced size is that of all, of which only so many bytes come."""
        self.answer(b"%x\r\n" % len(self.server.content) + self.server.content[:size], 0, Transfer_Encoding="chunked")

    def reset(self):
        self.cut()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def silent(self):
        self.server.closing.wait(20)

    def dribble(self):
        """A byte at a time."""
        self.answer(b"", len(self.server.content))
        self.drip(0.01, (self.server.content[i : i + 1] for i in range(1000)))

    def slow(self):
        """A kilobyte at a time: never silent for long."""
        self.answer(b"", 2**40)
        self.drip(0.1, itertools.repeat(bytes(1024), 100))

    def headers_without_end(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.drip(0.01, (b"X-%d: y\r\n" % i for i in range(1000)))

    def endless(self):
        self.answer(b"", 0)
        self.drip(0, itertools.repeat(bytes(2**16), 2**12))

    def bomb(self):
        """A few kilobytes that decompress to many."""
        self.answer(gzip.compress(bytes(2**25)))

    def encoded(self):
        self.answer(b"no gzip at all", Content_Encoding="gzip")

    def garbage(self):
        self.wfile.write(b"\0\xff this is not HTTP\r\n\r\n" * 9)

    def redirect(self, target):
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()

    def loop(self, number=0):
        self.redirect(f"/loop/{1 - number}")

    def to_a_file(self):
        self.redirect("file:///etc/hostname")

    def nowhere(self):
        self.redirect("http://[")

    def log_message(self, *arguments):
        pass


