"""A bucket in memory, as far as S3's stores use one: puts under conditions, ranges, lists. Looks at no signature; that those are
right, the core's own tests see."""

from __future__ import annotations

import hashlib
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from xml.sax.saxutils import escape, unescape


class Bucket:
    """A server with one bucket, ``agents``; a context manager."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def environment(self) -> dict[str, str]:
        """What says where it is, and with which credentials."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}",
            "AWS_ACCESS_KEY_ID": "test-key",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
            "AWS_REGION": "us-east-1",
        }

    def __enter__(self) -> Bucket:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(bucket) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *arguments: object) -> None:
                pass

            @property
            def path_in_server(self) -> str:
                return urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)

            @property
            def key(self) -> str:
                return self.path_in_server.removeprefix("/agents").removeprefix("/")

            def parse_request(self) -> bool:
                if not super().parse_request():
                    return False
                if self.path_in_server.startswith("/agents"):
                    return True
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                self.refuse(404, "NoSuchBucket")
                return False

            def say(self, status: int, body: bytes = b"", **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def refuse(self, status: int, code: str) -> None:
                self.say(status, f"<Error><Code>{code}</Code></Error>".encode(), Content_Type="application/xml")

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with bucket._lock:
                    found = bucket.objects.get(self.key)
                    tag = None if found is None else tag_of(found)
                    match, none = self.headers["If-Match"], self.headers["If-None-Match"]
                    if (match and match != tag) or (none == "*" and found is not None):
                        return self.refuse(412, "PreconditionFailed")
                    bucket.objects[self.key] = body
                self.say(200, ETag=tag_of(body))

            def do_GET(self) -> None:
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                if "list-type" in query:
                    return self.list(query.get("prefix", [""])[0])
                with bucket._lock:
                    found = bucket.objects.get(self.key)
                if found is None:
                    return self.refuse(404, "NoSuchKey")
                headers = {"ETag": tag_of(found), "Last_Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
                asked = self.headers["Range"]
                if asked:
                    begin, _, end = asked.removeprefix("bytes=").partition("-")
                    first, last = int(begin), min(int(end or len(found)), len(found) - 1)
                    headers["Content_Range"] = f"bytes {first}-{last}/{len(found)}"
                    return self.say(206, found[first : last + 1], **headers)
                self.say(200, found, **headers)

            do_HEAD = do_GET

            def do_DELETE(self) -> None:
                with bucket._lock:
                    bucket.objects.pop(self.key, None)
                self.say(204)

            def do_POST(self) -> None:
                # Deletes many.
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                keys = [unescape(key) for key in re.findall("<Key>(.*?)</Key>", text)]
                with bucket._lock:
                    for key in keys:
                        bucket.objects.pop(key, None)
                rows = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
                self.say(200, f"<DeleteResult>{rows}</DeleteResult>".encode(), Content_Type="application/xml")

            def list(self, prefix: str) -> None:
                with bucket._lock:
                    found = sorted((k, v) for k, v in bucket.objects.items() if k.startswith(prefix))
                rows = "".join(
                    f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                    f"<ETag>{escape(tag_of(value))}</ETag><Size>{len(value)}</Size></Contents>"
                    for key, value in found
                )
                body = f"<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>{len(found)}</KeyCount>{rows}</ListBucketResult>"
                self.say(200, body.encode(), Content_Type="application/xml")

        return Handler


def tag_of(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'
