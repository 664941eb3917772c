"""Reading vector files: typed access to the fields, and proof that each one was looked at."""

import json

from .errors import Mismatch

FORMAT = "agentmesh-vectors/1"
NOT_CHECKED = {"name", "comment"}


class Node:
    """A JSON object of a vector. Every field must be asked for, or `finish` complains."""

    def __init__(self, data: dict, path: str) -> None:
        if not isinstance(data, dict):
            raise Mismatch(f"{path}: not an object")
        self.data = data
        self.path = path
        self.unread = set(data) - NOT_CHECKED
        self.children = []

    def _take(self, key: str, kind: type):
        if key not in self.data:
            raise Mismatch(f"{self.path}: {key} is missing")
        self.unread.discard(key)
        value = self.data[key]
        if type(value) is not kind:
            raise Mismatch(f"{self.path}.{key}: not of type {kind.__name__}")
        return value

    def is_null(self, key: str) -> bool:
        if key in self.data and self.data[key] is None:
            self.unread.discard(key)
            return True
        return False

    def has(self, key: str) -> bool:
        return key in self.data

    def bytes(self, key: str, length: int | None = None) -> bytes:
        text = self._take(key, str)
        try:
            value = bytes.fromhex(text)
        except ValueError:
            raise Mismatch(f"{self.path}.{key}: not hex") from None
        if value.hex() != text or (length is not None and len(value) != length):
            raise Mismatch(f"{self.path}.{key}: not {length or ''} bytes in lower-case hex")
        return value

    def int(self, key: str) -> int:
        return self._take(key, int)

    def text(self, key: str) -> str:
        return self._take(key, str)

    def flag(self, key: str) -> bool:
        return self._take(key, bool)

    def list(self, key: str) -> list:
        return self._take(key, list)

    def node(self, key: str) -> "Node":
        child = Node(self._take(key, dict), f"{self.path}.{key}")
        self.children.append(child)
        return child

    def nodes(self, key: str) -> list:
        children = [Node(item, f"{self.path}.{key}[{i}]") for i, item in enumerate(self._take(key, list))]
        self.children += children
        return children

    def optional(self, read, key: str, *args):
        """`read` is one of the methods above; null stands for nothing."""
        return None if self.is_null(key) else read(key, *args)

    def finish(self) -> None:
        if self.unread:
            raise Mismatch(f"{self.path}: nobody looked at {', '.join(sorted(self.unread))}")
        for child in self.children:
            child.finish()


def load(path: str) -> dict:
    with open(path, encoding="utf-8") as file:
        return json.load(file)
