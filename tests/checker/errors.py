"""The one way in which anything here says no."""


class Refused(Exception):
    """An input that the protocol refuses, with the reason as the vectors name it."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Mismatch(Exception):
    """A vector that says something else than what was computed."""


def demand(condition: bool, reason: str, detail: str = "") -> None:
    """Refuses unless `condition` holds."""
    if not condition:
        raise Refused(reason, detail)


def equal(what: str, computed: object, recorded: object) -> None:
    """Compares a computed value with the one in a vector; True and 1 are not the same."""
    if type(computed) is not type(recorded) or computed != recorded:
        raise Mismatch(f"{what}: computed {show(computed)}, vector says {show(recorded)}")


def show(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 96 else f"{text[:96]}... ({len(text)} characters)"
