"""An HTTP server that takes alerts as Apprise's json:// sends them, and remembers them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Inbox:
    """What came in. `failing`: answer 500 and keep nothing."""

    def __init__(self, port: int) -> None:
        self.address = f"json://127.0.0.1:{port}/hook"
        self.titles: list[str] = []
        self.bodies: list[str] = []
        self.failing = False


@contextmanager
def inbox() -> Iterator[Inbox]:
    """A running inbox on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not box.failing:
                box.titles.append(message["title"])
                box.bodies.append(message["message"])
            self.send_response(500 if box.failing else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tell nobody."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    box = Inbox(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield box
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
