"""Identities and their backups."""

from __future__ import annotations

import datetime
from typing import NoReturn

from . import _native
from ._values import time

__all__ = ["Backup", "Identity", "safety_number", "verify"]


class Identity:
    """An agent's private identity: the key that is the agent, and the one it receives handshakes with.

    Neither prints nor pickles its keys; to keep a copy, use :meth:`back_up`.

    >>> identity = Identity.generate()
    >>> verify(identity.signing_key, b"hello", identity.sign(b"hello"))
    True
    """

    __slots__ = ("_inner",)
    _inner: _native.Identity

    def __init__(self) -> None:
        raise TypeError("use Identity.generate(), restore() or from_json()")

    @classmethod
    def _wrap(cls, native: _native.Identity) -> Identity:
        identity = object.__new__(cls)
        identity._inner = native
        return identity

    @classmethod
    def generate(cls) -> Identity:
        """A fresh identity."""
        return cls._wrap(_native.Identity.generate())

    @classmethod
    def restore(cls, backup: str, passphrase: str) -> Identity:
        """Opens a backup for the identity alone. Takes a tenth of a second."""
        return cls._wrap(_native.Identity.restore(backup, passphrase))

    @classmethod
    def from_json(cls, text: str) -> Identity:
        """Reads the identity file of ``agentmesh/0.2``."""
        return cls._wrap(_native.Identity.from_json(text))

    def to_json(self) -> str:
        """The identity as that file, **with the private keys in the clear**: for SDKs that read nothing else."""
        return self._inner.to_json()

    def back_up(self, passphrase: str) -> str:
        """Seals the identity under a passphrase, as text that can be printed and pasted. Takes a tenth of a second."""
        return self._inner.back_up(passphrase)

    @property
    def amid(self) -> str:
        """The address: the hash of the signing key."""
        return self._inner.amid

    @property
    def did(self) -> str:
        """The DID, ``did:agentmesh:`` and the AMID."""
        return self._inner.did

    @property
    def signing_key(self) -> bytes:
        """The public signing key."""
        return self._inner.signing_key

    @property
    def exchange_key(self) -> bytes:
        """The public exchange key."""
        return self._inner.exchange_key

    @property
    def created_at(self) -> datetime.datetime:
        """When the identity was made."""
        return time(self._inner.created_at)

    @property
    def fingerprint(self) -> str:
        """Six groups of five digits to read aloud."""
        return self._inner.fingerprint

    def sign(self, message: bytes) -> bytes:
        """Signs bytes of the application's choosing. Bytes that the protocol itself signs are refused."""
        return self._inner.sign(message)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.signing_key == other.signing_key

    def __hash__(self) -> int:
        return hash(self.signing_key)

    def __repr__(self) -> str:
        return f"<Identity {self.amid}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an Identity is not pickled, since a pickle shows its private keys; use back_up(passphrase) and restore()"
        )

    def __copy__(self) -> Identity:
        return self

    def __deepcopy__(self, memo: object) -> Identity:
        return self


class Backup:
    """A backup that was opened, for one new store: ``AgentMeshClient(backup=…)``."""

    __slots__ = ("_inner",)
    _inner: _native.Backup

    def __init__(self, text: str, passphrase: str) -> None:
        self._inner = _native.Backup.open(text, passphrase)

    @property
    def amid(self) -> str:
        """Whose backup it is."""
        return self._inner.amid

    def __repr__(self) -> str:
        return f"<Backup of {self.amid}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an opened Backup is not pickled, since a pickle shows private keys; pickle its text")


def verify(signing_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature over a message is that of a key."""
    return _native.verify_signature(signing_key, message, signature)


def safety_number(one: bytes, other: bytes) -> str:
    """The safety number of two signing keys, the same whoever computes it: 60 digits to compare on a call.

    >>> alice, bob = Identity.generate(), Identity.generate()
    >>> safety_number(alice.signing_key, bob.signing_key) == safety_number(bob.signing_key, alice.signing_key)
    True
    """
    return _native.safety_number(one, other)
