"""Deterministic CBOR: what there is one encoding for, and what is refused."""

import unittest

from .. import cbor
from ..errors import Refused

GOOD = {
    "00": 0,
    "1818": 24,
    "1bffffffffffffffff": 2**64 - 1,
    "3903e7": -1000,
    "4401020304": b"\x01\x02\x03\x04",
    "62c3bc": "\u00fc",
    "8301820203820405": [1, [2, 3], [4, 5]],
    "a201020304": {1: 2, 3: 4},
}

BAD = {
    "": "cbor-truncated",
    "18": "cbor-truncated",
    "4401": "cbor-truncated",
    "8201": "cbor-truncated",
    "0000": "cbor-trailing-bytes",
    "1817": "cbor-not-shortest",
    "190018": "cbor-not-shortest",
    "1a0000ffff": "cbor-not-shortest",
    "1b00000000ffffffff": "cbor-not-shortest",
    "580101": "cbor-not-shortest",
    "5f4101ff": "cbor-indefinite",
    "9f01ff": "cbor-indefinite",
    "bf0102ff": "cbor-indefinite",
    "1c": "cbor-reserved",
    "f818": "cbor-reserved",
    "61ff": "cbor-utf8",
    "62c3": "cbor-truncated",
    "61c3": "cbor-utf8",
    "63eda080": "cbor-utf8",
    "a201020103": "cbor-duplicate-key",
    "a203040102": "cbor-unsorted",
    "a2181801170000": "cbor-unsorted",
    "fa3f800000": "cbor-not-shortest",
    "fb3ff0000000000000": "cbor-not-shortest",
    "f97e01": "cbor-not-shortest",
    "fa7fc00000": "cbor-not-shortest",
    "c0": "cbor-truncated",
}


class Cbor(unittest.TestCase):
    def test_good(self):
        for raw, item in GOOD.items():
            self.assertEqual(cbor.decode(bytes.fromhex(raw)), item, raw)
            self.assertEqual(cbor.encode(item).hex(), raw)

    def test_bad(self):
        for raw, reason in BAD.items():
            with self.assertRaises(Refused, msg=raw) as caught:
                cbor.decode(bytes.fromhex(raw))
            self.assertEqual(caught.exception.reason, reason, raw)

    def test_floats_in_their_shortest_form(self):
        for raw in ("f93c00", "f97e00", "fa3fc00001", "fb3ff0000000000001", "f90001", "fa33000000", "f97c00", "f820"):
            self.assertEqual(cbor.decode(bytes.fromhex(raw)), cbor.Other(bytes.fromhex(raw)), raw)

    def test_unknown_keys_do_not_hide_known_ones(self):
        # -1: 0, "a": 0 and [1]: 0 beside 1: 2
        entries = cbor.decode_map(bytes.fromhex("a401022000616100810100"), 16)
        self.assertEqual(cbor.field(entries, 1, int), 2)
        self.assertEqual(len(entries), 4)

    def test_depth(self):
        cbor.decode(b"\xa1\x01" + b"\x81" * 15 + b"\x00")
        self.assertRaisesRegex(Refused, "cbor-depth", cbor.decode, b"\xa1\x01" + b"\x81" * 16 + b"\x00")

    def test_huge_counts_cost_nothing(self):
        for raw in ("9b7fffffffffffffff", "bb7fffffffffffffff", "5b7fffffffffffffff"):
            self.assertRaises(Refused, cbor.decode, bytes.fromhex(raw))
