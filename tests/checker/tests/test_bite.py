"""Proof that the checker bites: any one byte changed in any field of any vector makes it fail."""

import copy
import hashlib
import pathlib
import unittest

from ..errors import Mismatch
from ..topics import cases
from ..vector import NOT_CHECKED, load

FILES = sorted((pathlib.Path(__file__).parents[2] / "vectors" / "native").glob("*.json"))


def leaves(value, path=()):
    """Paths of all scalars.

    Where a step of a vector says that something is refused, another input would be refused as well: there only what
    is expected counts.
    """
    if isinstance(value, dict):
        refused = value.get("result", "opened") not in ("opened", "established")
        for key, child in value.items():
            if key not in NOT_CHECKED and (not refused or key in ("op", "result")):
                yield from leaves(child, (*path, key))
    elif isinstance(value, list):
        for i, child in enumerate(value):
            yield from leaves(child, (*path, i))
    else:
        yield path


def mutations(value, path):
    """Other values of the same type, one of which must make the vector fail.

    Bytes get one flipped bit, and where it stands depends on the field. Times may have slack in one direction, so
    numbers get several.
    """
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value ^ 1, value ^ 4, value ^ 1 << 40, value + 5]
    return [changed_text(value, path)]


def changed_text(value, path):
    if not value:
        return "00"
    at = int.from_bytes(hashlib.sha256(repr(path).encode()).digest()[:4], "big") % len(value)
    try:
        raw = bytearray.fromhex(value)
    except ValueError:
        return value[:at] + ("a" if value[at] != "a" else "b") + value[at + 1 :]
    # X25519 ignores the lowest three and the highest two bits of a private key, but never this one.
    raw[at // 2] ^= 0x10
    return raw.hex()


def replace(document, path, value):
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


def get(document, path):
    for key in path:
        document = document[key]
    return document


def fails(document) -> bool:
    """Whether a file of one vector fails."""
    try:
        for _, check in cases(document):
            check()
    except (Mismatch, ValueError, KeyError, TypeError, AttributeError, OverflowError, UnicodeError):
        return True
    return False


def single(document, group: str, index: int) -> dict:
    """A file that holds one vector only; a refusal needs a vector beside it."""
    short = {**document, "vectors": document["vectors"][:1], "refusals": []}
    short[group] = [copy.deepcopy(document[group][index])]
    return short


class Bite(unittest.TestCase):
    def test_there_are_vectors(self):
        self.assertTrue(FILES)

    def test_every_field_of_every_vector(self):
        for file in FILES:
            document = load(file)
            for i, vector in enumerate(document["vectors"]):
                with self.subTest(file=file.name, vector=vector["name"]):
                    self.assertFalse(fails(single(document, "vectors", i)))
                    survivors = [p for p in leaves(vector) if not self.bites(document, i, p)]
                    self.assertEqual(survivors, [], "changed, and nobody noticed")

    def bites(self, document, i, path) -> bool:
        return any(self.fails_with(document, i, path, value) for value in self.values(document, i, path))

    @staticmethod
    def values(document, i, path):
        return mutations(get(document["vectors"][i], path), path)

    @staticmethod
    def fails_with(document, i, path, value) -> bool:
        mutant = single(document, "vectors", i)
        replace(mutant["vectors"][0], path, value)
        return fails(mutant)

    def test_every_reason_of_every_refusal(self):
        for file in FILES:
            document = load(file)
            for i, refusal in enumerate(document.get("refusals", [])):
                with self.subTest(file=file.name, refusal=refusal["name"]):
                    mutant = single(document, "refusals", i)
                    self.assertFalse(fails(mutant))
                    mutant["refusals"][0]["reason"] += "x"
                    self.assertTrue(fails(mutant))

    def test_a_missing_or_additional_field(self):
        for file in FILES:
            document = load(file)
            for key in set(document["vectors"][0]) - NOT_CHECKED:
                mutant = single(document, "vectors", 0)
                del mutant["vectors"][0][key]
                self.assertTrue(fails(mutant), f"{file.name}: without {key}")
            mutant = single(document, "vectors", 0)
            mutant["vectors"][0]["surprise"] = "00"
            self.assertTrue(fails(mutant), f"{file.name}: a field that nobody reads")
