"""Known answers for what everything else stands on: RFCs and an excerpt of Wycheproof."""

import json
import pathlib
import unittest

from .. import ed25519, primitives
from ..codec import b58, b58_decode, b64_decode, check_amid
from ..errors import Refused

DATA = json.loads((pathlib.Path(__file__).parent / "data" / "wycheproof.json").read_text())
HEX = bytes.fromhex


def accepts(function, *args) -> bool:
    try:
        function(*args)
    except Refused:
        return False
    return True


class Hkdf(unittest.TestCase):
    def test_rfc_5869_case_1(self):
        out = primitives.hkdf_sha256(HEX("000102030405060708090a0b0c"), b"\x0b" * 22, HEX("f0f1f2f3f4f5f6f7f8f9"), 42)
        self.assertEqual(
            out.hex(),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        )


class X25519(unittest.TestCase):
    def test_wycheproof(self):
        zeros = 0
        for t in DATA["x25519"]:
            private, public, shared = HEX(t["private"]), HEX(t["public"]), HEX(t["shared"])
            if shared == bytes(32):
                zeros += 1
                self.assertTrue(primitives.is_small_order(public), t["tcId"])
                self.assertFalse(accepts(primitives.x25519, private, public), t["tcId"])
            else:
                self.assertFalse(primitives.is_small_order(public), t["tcId"])
                self.assertEqual(primitives.x25519(private, public), shared, t["tcId"])
        self.assertGreater(zeros, 10)


class Ed25519(unittest.TestCase):
    def test_rfc_8032_test_2(self):
        seed = HEX("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
        public = HEX("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
        self.assertEqual(ed25519.public_key(seed), public)
        self.assertEqual(
            ed25519.sign(seed, b"\x72").hex(),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        )

    def test_wycheproof(self):
        for t in DATA["ed25519"]:
            accepted = accepts(ed25519.verify, HEX(t["pk"]), HEX(t["msg"]), HEX(t["sig"]))
            self.assertEqual(accepted, t["result"] == "valid", t["tcId"])

    def test_small_order_and_non_canonical_keys(self):
        neutral = (1).to_bytes(32, "little")
        small = [ed25519.encode(ed25519.multiply(n, self.torsion())) for n in range(8)]
        self.assertEqual(len(set(small)), 8)
        for public in small:
            self.assertRaisesRegex(Refused, "signing-key-small-order", ed25519.check_key, public)
        self.assertIn(neutral, small)
        for y in range(19):
            raw = (ed25519.P + y).to_bytes(32, "little")
            self.assertRaisesRegex(Refused, "signing-key-not-canonical", ed25519.check_key, raw)
        self.assertRaisesRegex(
            Refused, "not-canonical", ed25519.check_key, (1 | 1 << 255).to_bytes(32, "little")
        )

    @staticmethod
    def torsion():
        """A point of order 8: the order of the base point times any point with a full torsion part."""
        y = 2
        while True:
            y += 1
            try:
                point = ed25519.multiply(ed25519.L, ed25519.decode(y.to_bytes(32, "little"), "x"))
            except Refused:
                continue
            if not ed25519.is_neutral(ed25519.multiply(4, point)):
                return point

    def test_cofactorless(self):
        """A signature that only a verifier with cofactor accepts: R is off by a point of order 8."""
        seed = bytes(range(32))
        public, torsion = ed25519.public_key(seed), self.torsion()
        r = 12345
        encoded = ed25519.encode(ed25519.add(ed25519.multiply(r, ed25519.BASE), torsion))
        k = int.from_bytes(ed25519.hashlib.sha512(encoded + public + b"m").digest(), "little") % ed25519.L
        a = ed25519._expand(seed)[0]
        signature = encoded + ((r + k * a) % ed25519.L).to_bytes(32, "little")
        self.assertRaisesRegex(Refused, "^signature$", ed25519.verify, public, b"m", signature)


class AesGcm(unittest.TestCase):
    def test_wycheproof(self):
        for t in DATA["aes_gcm"]:
            key, nonce, aad, message = (HEX(t[k]) for k in ("key", "iv", "aad", "msg"))
            sealed = HEX(t["ct"] + t["tag"])
            if t["result"] == "valid":
                self.assertEqual(primitives.seal(key, nonce, aad, message), sealed, t["tcId"])
                self.assertEqual(primitives.unseal(key, nonce, aad, sealed), message, t["tcId"])
            else:
                self.assertFalse(accepts(primitives.unseal, key, nonce, aad, sealed), t["tcId"])


class Text(unittest.TestCase):
    def test_base58(self):
        self.assertEqual(b58(HEX("0000000102030405")), "1117bWpTW")
        self.assertEqual(b58_decode("1117bWpTW"), HEX("0000000102030405"))
        self.assertEqual((b58(b""), b58(b"\0")), ("", "1"))

    def test_amids(self):
        check_amid("2RkUfDC55GMndKreXqK7Jruu8Snx")
        for bad in ("", "1", "12RkUfDC55GMndKreXqK7Jruu8Snx", "2RkUfDC55GMndKreXqK7Jruu8SnxA", "0OIl"):
            self.assertRaises(Refused, check_amid, bad)

    def test_base64_is_strict(self):
        self.assertEqual(b64_decode("AwI="), b"\x03\x02")
        for bad in ("AwI", "AwJ=", "Aw I=", "AwI=\n", "Aw-_", "A===", "é"):
            self.assertRaises(Refused, b64_decode, bad)
