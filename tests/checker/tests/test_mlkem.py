"""ML-KEM-768 against Wycheproof (which carries NIST's answers), and against `cryptography` where it has ML-KEM."""

import os
import unittest

from .. import mlkem
from ..errors import Refused
from .test_primitives import DATA, HEX

try:
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey

    MLKEM768PrivateKey.from_seed_bytes(bytes(64))
    AVAILABLE = True
except Exception:  # noqa: BLE001  too old, or built on an OpenSSL without it
    AVAILABLE = False


class KnownAnswers(unittest.TestCase):
    def test_decapsulation_including_implicit_rejection(self):
        for t in DATA["mlkem_decaps"]:
            seed = HEX(t["seed"])
            self.assertEqual(mlkem.public_key(seed).hex(), t["ek"], t["tcId"])
            self.assertEqual(mlkem.decapsulate(seed, HEX(t["c"])).hex(), t["K"], t["tcId"])

    def test_encapsulation_and_the_modulus_check(self):
        for t in DATA["mlkem_encaps"]:
            public, m = HEX(t["ek"]), HEX(t["m"])
            if t["result"] == "valid":
                shared, ciphertext = mlkem.encapsulate(public, m)
                self.assertEqual((shared.hex(), ciphertext.hex()), (t["K"], t["c"]), t["tcId"])
            else:
                self.assertRaises(Refused, mlkem.encapsulate, public, m)

    def test_a_changed_ciphertext_is_told_from_a_genuine_one(self):
        seed = bytes(range(64))
        shared, ciphertext = mlkem.encapsulate(mlkem.public_key(seed), bytes(32))
        self.assertTrue(mlkem.is_genuine(seed, ciphertext))
        changed = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
        self.assertFalse(mlkem.is_genuine(seed, changed))
        self.assertNotEqual(mlkem.decapsulate(seed, changed), shared)


@unittest.skipUnless(AVAILABLE, "this `cryptography` has no ML-KEM")
class CrossCheck(unittest.TestCase):
    def test_both_ways(self):
        for _ in range(5):
            seed = os.urandom(64)
            private = MLKEM768PrivateKey.from_seed_bytes(seed)
            public = private.public_key().public_bytes_raw()
            self.assertEqual(mlkem.public_key(seed), public)
            shared, ciphertext = MLKEM768PublicKey.from_public_bytes(public).encapsulate()
            self.assertEqual(mlkem.decapsulate(seed, ciphertext), shared)
            shared, ciphertext = mlkem.encapsulate(public, os.urandom(32))
            self.assertEqual(private.decapsulate(ciphertext), shared)
