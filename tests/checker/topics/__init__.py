"""What each topic of vectors says, and how it is checked.

A topic has `vectors`, which must hold to the last byte, and may have `refusals`, which must be refused for the
reason that they state.
"""

from ..errors import Mismatch, Refused
from ..vector import FORMAT, Node
from . import keys, messages, services, sessions, states

# topic: (check of a vector, check of a refusal)
TOPICS = {
    "identity": (keys.identity, None),
    "signature": (keys.signature, keys.signature_refusal),
    "bundle": (keys.bundle, keys.bundle_refusal),
    "handshake": (sessions.handshake, sessions.handshake_refusal),
    "transcript": (sessions.transcript, None),
    "state-session": (states.session, states.session_refusal),
    "state-identity": (states.identity, None),
    "state-prekeys": (states.prekeys, None),
    "plaintext": (messages.plaintext, messages.plaintext_refusal),
    "stream": (messages.stream, messages.stream_refusal),
    "knock": (messages.knock, messages.knock_refusal),
    "frame": (messages.frame, messages.frame_refusal),
    "replay": (sessions.replay, None),
    "vault": (states.vault, states.vault_refusal),
    "backup": (states.backup, None),
    "fingerprint": (states.fingerprint, None),
    "crossing": (sessions.crossing, None),
    "registry-request": (services.request, services.request_refusal),
    "relay-connect": (services.connect, services.connect_refusal),
    "relay-binary": (services.binary, None),
}


def cases(document: dict):
    """(name, function) for every vector of a file."""
    topic = document.get("topic")
    if document.get("format") != FORMAT or topic not in TOPICS:
        raise Mismatch(f"format {document.get('format')!r}, topic {topic!r}: not known")
    check, refuse = TOPICS[topic]
    if set(document) - {"format", "topic", "spec", "vectors", "refusals"}:
        raise Mismatch("fields that nobody knows")
    if not document.get("vectors"):
        raise Mismatch("no vectors")
    for data in document["vectors"]:
        yield data.get("name"), lambda data=data: run(check, data)
    for data in document.get("refusals", []):
        if refuse is None:
            raise Mismatch("refusals where none are expected")
        yield data.get("name"), lambda data=data: run_refusal(refuse, data)


def run(check, data: dict) -> None:
    node = Node(data, str(data.get("name")))
    try:
        check(node)
    except Refused as refused:
        raise Mismatch(f"{node.path}: refused: {refused}") from None
    node.finish()


def run_refusal(refuse, data: dict) -> None:
    node = Node(data, str(data.get("name")))
    reason = node.text("reason")
    try:
        refuse(node)
    except Refused as refused:
        if refused.reason != reason:
            raise Mismatch(f"{node.path}: refused as {refused.reason}, vector says {reason}") from None
        return
    raise Mismatch(f"{node.path}: accepted, vector says {reason}")
