"""What comes from outside the program: time and randomness. Nothing else reads a clock or rolls dice."""

import secrets
import time

ID_ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"
KEY_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


class Outside:
    """Give the time, identifiers and keys; tests replace it with one that they control."""

    def now(self) -> int:
        """Return Unix milliseconds."""
        return time.time_ns() // 1_000_000

    def entity_id(self) -> str:
        """Return a random entity id: k17 and 29 characters, 145 bits."""
        return "k17" + _base32(29)

    def api_key_id(self) -> str:
        """Return a random id for an API key, which is no secret."""
        return "key_" + _base32(12)

    def secret(self) -> str:
        """Return the random part of an API key: 40 characters, 206 bits."""
        return "".join(secrets.choice(KEY_ALPHABET) for _ in range(40))


class Deadline:
    """A moment some milliseconds away, by a clock that nobody sets."""

    def __init__(self, milliseconds: int) -> None:
        self._moment = time.monotonic() + milliseconds / 1000

    @property
    def passed(self) -> bool:
        """Tell whether the moment has come."""
        return time.monotonic() >= self._moment

    def pause(self, seconds: float = 0.001) -> bool:
        """Wait a little; return at once, and False, when the moment has come."""
        return not self.passed and pause(seconds)


def pause(seconds: float = 0.001) -> bool:
    """Wait a little, and return True."""
    time.sleep(seconds)
    return True


class Stopwatch:
    """Tells how long ago it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def milliseconds(self) -> float:
        """Return the milliseconds since then."""
        return (time.monotonic() - self._start) * 1000


def _base32(length: int) -> str:
    return secrets.token_bytes(length).translate(ID_ALPHABET * 8).decode()
