"""The checker against itself: two ends agree, and what must be refused is."""

import os
import unittest
from copy import deepcopy

from .. import bundle, delivery, ed25519, handshake, mlkem, plaintext, ratchet, state
from ..errors import Refused
from ..primitives import x25519_public

NOW = 1_770_206_400_000
SID, AD, SK, SPK = b"s" * 16, b"a" * 32, b"k" * 32, b"p" * 32
SMALL = [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"]


def pair():
    a = ratchet.Session.initiate(2, SID, AD, SK, x25519_public(SPK), b"1" * 32, NOW)
    first = a.encrypt(b"knock", bytes(12), None)
    remote = ratchet.split(first)[0].key
    b = ratchet.Session.accept(2, SID, AD, SK, SPK, remote, b"2" * 32, NOW)
    assert b.decrypt(first, NOW) == b"knock"
    return a, b


class Talk:
    """Encrypts with fresh keys where they are due."""

    def __init__(self):
        self.a, self.b = pair()
        self.a.decrypt(self.b.encrypt(b"hello", bytes(12), None), NOW)

    @staticmethod
    def send(session, text):
        fresh = os.urandom(32) if session.own is None else None
        return session.encrypt(text, os.urandom(12), fresh)


class Ratchet(unittest.TestCase):
    def refused(self, reason, session, message, now=NOW):
        before = state.encode_session(session)
        with self.assertRaises(Refused) as caught:
            session.decrypt(message, now)
        self.assertEqual(caught.exception.reason, reason)
        self.assertEqual(state.encode_session(session), before)

    def test_out_of_order_across_turns(self):
        talk, late = Talk(), []
        for turn in range(6):
            sender, receiver = (talk.a, talk.b) if turn % 2 else (talk.b, talk.a)
            messages = [(b"%d %d" % (turn, i), talk.send(sender, b"%d %d" % (turn, i))) for i in range(4)]
            for text, message in (messages[2], messages[1]):
                self.assertEqual(receiver.decrypt(message, NOW), text)
            late.append((receiver, messages[0]))
            late.append((receiver, messages[3]))
        for receiver, (text, message) in reversed(late):
            self.assertEqual(receiver.decrypt(message, NOW), text)
            self.refused("duplicate", receiver, message)
        self.assertEqual([talk.a.skipped, talk.b.skipped], [[], []])

    def test_refusals(self):
        talk = Talk()
        message = talk.send(talk.a, b"x")
        for at in (0, 1, 2, 40, 43, 60, len(message) - 1):
            changed = message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]
            with self.assertRaises(Refused):
                talk.b.decrypt(changed, NOW)
        wrong = message[:1] + b"\x03" + message[2:]
        self.refused("wrong-suite", talk.b, wrong)
        for small in SMALL:
            self.refused("undecryptable", talk.b, message[:2] + small + message[34:])
        for n in (1001, 2**32 - 2):
            self.refused("too-many-skipped", talk.b, message[:38] + n.to_bytes(4, "big") + message[42:])
        self.refused("malformed", talk.b, message[:38] + b"\xff" * 4 + message[42:])
        self.refused("malformed", talk.b, message[:-1])
        self.assertEqual(talk.b.decrypt(message, NOW), b"x")

    def test_rollback(self):
        talk = Talk()
        snapshot = deepcopy(talk.a)
        talk.send(talk.a, b"y")
        fresh = os.urandom(32)
        snapshot2 = deepcopy(snapshot)
        one = snapshot.encrypt(b"one", os.urandom(12), fresh if snapshot.own is None else None)
        two = snapshot2.encrypt(b"two", os.urandom(12), fresh if snapshot2.own is None else None)
        self.assertEqual(talk.b.decrypt(one, NOW), b"one")
        self.refused("undecryptable", talk.b, two)
        self.refused("duplicate", talk.b, one)

    def test_skipped_keys_expire(self):
        talk = Talk()
        first, second = talk.send(talk.a, b"1"), talk.send(talk.a, b"2")
        talk.b.decrypt(second, NOW)
        self.refused("undecryptable", talk.b, first, NOW + ratchet.KEPT_FOR + 1)
        self.assertEqual(talk.b.decrypt(first, NOW + ratchet.KEPT_FOR), b"1")

    def test_skipped_keys_are_bounded(self):
        talk = Talk()
        for _ in range(3):
            for _ in range(900):
                talk.send(talk.a, b"")
            talk.b.decrypt(talk.send(talk.a, b""), NOW)
        self.assertEqual(sum(len(run.keys) for run in talk.b.skipped), ratchet.MAX_KEPT)

    def test_padding(self):
        for length in (0, 1, 254, 255, 256, 257):
            padded = ratchet.pad(bytes(length))
            self.assertEqual(len(padded), (length // 256 + 1) * 256)
            self.assertEqual(ratchet.unpad(padded), bytes(length))
        for bad in (bytes(256), b"", b"\x80" + bytes(511), b"\x81" + bytes(255)):
            self.assertRaises(Refused, ratchet.unpad, bad)

    def test_records(self):
        talk = Talk()
        talk.send(talk.a, b"lost")
        talk.b.decrypt(talk.send(talk.a, b"x"), NOW)
        for session in (talk.a, talk.b):
            record = state.encode_session(session)
            self.assertEqual(state.encode_session(state.decode_session(record)), record)
            for cut in range(len(record)):
                self.assertRaises(Refused, state.decode_session, record[:cut])
            self.assertRaises(Refused, state.decode_session, record + b"\0")
            self.assertRaises(Refused, state.decode_session, b"\x02" + record[1:])


class Bundle(unittest.TestCase):
    seed = bytes(range(32))

    def make(self, **changes):
        signing = ed25519.public_key(self.seed)
        fields = {
            "signing": signing,
            "amid": bundle.amid(signing),
            "exchange": x25519_public(b"x" * 32),
            "spk_id": 1,
            "spk": x25519_public(b"y" * 32),
            "kpk_id": 1,
            "kpk": mlkem.public_key(bytes(64)),
            "suites": b"\x02\x03",
            "created_at": NOW,
        }
        made = bundle.Bundle(**{**fields, **changes})
        return bundle.sign_bundle(self.seed, made), fields["amid"]

    def refused(self, reason, newest_seen=0, pinned=0, now=NOW, **changes):
        blob, amid = self.make(**changes)
        with self.assertRaises(Refused, msg=changes) as caught:
            bundle.verify(blob, amid, newest_seen, pinned, now)
        self.assertEqual(caught.exception.reason, reason, changes)

    def test_good(self):
        for blob, amid in (self.make(), self.make(kpk=b"", kpk_id=0, suites=b"\x02")):
            bundle.verify(blob, amid, NOW, 2, NOW + bundle.MAX_AGE)
            bundle.verify(blob, amid, 0, 0, NOW - bundle.MAX_AHEAD)

    def test_refusals(self):
        self.refused("stale", newest_seen=NOW + 1)
        self.refused("too-old", now=NOW + bundle.MAX_AGE + 1)
        self.refused("from-the-future", now=NOW - bundle.MAX_AHEAD - 1)
        for small in SMALL:
            self.refused("small-order-key", spk=small)
            self.refused("small-order-key", exchange=small)
        for suites in (b"", b"\x03\x02", b"\x02\x02\x03", b"\x02", b"\x00\x02\x03"):
            self.refused("suite-set", suites=suites)
        self.refused("suite-set", kpk=b"", kpk_id=0)
        self.refused("suite-downgrade", pinned=3, kpk=b"", kpk_id=0, suites=b"\x02")
        self.refused("malformed", spk_id=0)
        self.refused("malformed", spk_id=2**31)
        self.refused("malformed", kpk_id=0)
        self.refused("kem-key", kpk=b"\xff" * 1184)
        self.refused("amid-mismatch", amid="2RkUfDC55GMndKreXqK7Jruu8Snx")

    def test_every_byte_is_signed(self):
        blob, amid = self.make(kpk=b"", kpk_id=0, suites=b"\x02")
        for at in range(len(blob)):
            changed = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
            with self.assertRaises(Refused, msg=at):
                bundle.verify(changed, amid, 0, 0, NOW)


class Handshake(unittest.TestCase):
    def test_both_sides_agree(self):
        own = handshake.Triple(ed25519.public_key(bytes(32)), b"e" * 32, 7, b"s" * 32, {9: b"o" * 32}, {(1, 3): bytes(64)})
        shared, ciphertext = mlkem.encapsulate(mlkem.public_key(bytes(64)), b"m" * 32)
        signing = ed25519.public_key(b"A" * 32)
        hs = handshake.Hs(3, signing, x25519_public(b"x" * 32), x25519_public(b"y" * 32), 7, 9, 1, 3, ciphertext)
        secrets = handshake.respond(hs.encode(), own)
        publics = [x25519_public(key) for key in (own.exchange, own.spk, own.opks[9])]
        self.assertEqual(handshake.initiate(b"x" * 32, b"y" * 32, *publics), secrets.dh)
        self.assertEqual(secrets.ss, shared)

    def test_malformed(self):
        key = x25519_public(b"x" * 32)
        good = (2, b"i" * 32, key, key, 1, 0, 0, 0, b"")
        handshake.parse(handshake.Hs(*good).encode())
        for at, value in ((0, 1), (0, 4), (4, 0), (4, 2**31), (5, 2**31), (6, 1), (7, 1), (8, b"x")):
            fields = list(good)
            fields[at] = value
            self.assertRaises(Refused, handshake.parse, handshake.Hs(*fields).encode())
        for at, value in ((6, 0), (6, 3), (7, 0), (8, bytes(1087))):
            fields = [3, *good[1:6], 1, 1, bytes(1088)]
            handshake.parse(handshake.Hs(*fields).encode())
            fields[at] = value
            self.assertRaises(Refused, handshake.parse, handshake.Hs(*fields).encode())


class Crossing(unittest.TestCase):
    def test_both_sides_choose_the_same_session(self):
        low, high = b"\x01" * 32, b"\x02" * 32
        pending = ("own", True, NOW)
        self.assertEqual(delivery.choose(low, high, pending, NOW), "current")
        self.assertEqual(delivery.choose(high, low, pending, NOW), "new")


class Plaintext(unittest.TestCase):
    def test_json(self):
        for good in ("null", "-1.5e300", '"\u2028"', "[" * 64 + "]" * 64):
            plaintext.check_json(good)
        for bad in ("", "{", "NaN", "[1,]", "01", "[" * 65 + "]" * 65, "[" * 100000):
            self.assertRaises(Refused, plaintext.check_json, bad)
