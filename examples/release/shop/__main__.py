"""The service: `python3 shop.pyz PORT VERSION` answers /health and /total?tea=2&cake=1 on 127.0.0.1."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from shop.prices import total

PORT, VERSION = int(sys.argv[1]), sys.argv[2]


class Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/health":
            self.answer(200, {"status": "ok", "version": VERSION})
        elif url.path == "/total":
            try:
                self.answer(200, {"total": total({name: int(n) for name, n in parse_qsl(url.query)})})
            except (KeyError, ValueError):
                self.answer(404, {"error": "the shop does not have that"})
        else:
            self.answer(404, {"error": "no such page"})

    def answer(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("127.0.0.1", PORT), Shop).serve_forever()
