"""Ed25519 signatures (RFC 8032 section 5.1).

Secrets: a signature does the same additions and doublings whatever the seed and the nonce are, in arithmetic without a
branch that looks at a number. Not constant are which table entries are read, whether they are added or taken off, the
inversion at the end, and what Python's integers do modulo the group order. Whoever can time many signatures to within
microseconds, or measure the current they draw, may learn something of the seed. Python cannot wipe what it computed
either: a seed is lost with the board it lies on. A verification has no secrets.
"""

import comb25519
import edwards25519
from edwards25519 import ORDER
from sha512 import MEMORY_BYTES, sha512
from workspace import borrow


class Signer:
    """Signs with the 32-byte `seed`, whose 32-byte public key is `public`. Raises ValueError for another length.

    The public key is computed here and nowhere taken from a caller, who could have the wrong one: two signatures of one
    message under two public keys give the secret away. It takes as long as a signature, so keep the object.
    """

    def __init__(self, seed: bytes) -> None:
        if len(seed) != 32:
            raise ValueError("a seed has 32 bytes")
        # RFC 8032 section 5.1.5, steps 1 to 3.
        digest = sha512(seed).digest()
        self._secret = (int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254) % ORDER
        self._prefix = digest[32:]
        self.public = _multiple_of_base(self._secret)

    def sign(self, message: bytes) -> bytes:
        """Returns the 64-byte signature of `message`."""
        nonce = _hash_number(self._prefix, message)
        commitment = _multiple_of_base(nonce)
        answer = (nonce + _hash_number(commitment, self.public, message) * self._secret) % ORDER
        return commitment + answer.to_bytes(32, "little")


def public_key(seed: bytes) -> bytes:
    """Returns the 32-byte public key of the 32-byte `seed`. Raises ValueError for another length."""
    return Signer(seed).public


def sign(seed: bytes, message: bytes) -> bytes:
    """Returns the 64-byte signature of `message` under the 32-byte `seed`. Raises ValueError for another seed length.

    Computes the public key as well, each time; a `Signer` does that once.
    """
    return Signer(seed).sign(message)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` over `message` was made with the seed of `public`; False, not an error, for any other bytes.

    The equation is checked without the cofactor and on the encoding of R, as most libraries do. Refused as well: S not
    below the group order, coordinates not below p, and the eight public keys of small order, which RFC 8032 allows but
    under which signatures exist that hold for messages nobody signed.
    """
    answer = _answer(public, signature)
    point = edwards25519.decode(public) if answer >= 0 else None
    if point is None or edwards25519.is_of_small_order(point):
        return False
    # S * B = R + k * A, solved for R.
    commitment = signature[:32]
    challenge = _hash_number(commitment, public, message)
    expected = comb25519.combine(answer, challenge, (edwards25519.P - point[0], point[1]))
    return edwards25519.encode(expected) == commitment


class Prepared:
    """A public key known ahead: verifies in a quarter of the time, with the verdicts of `verify`.

    `table`, `base` are the tables of `public` and of the base point, as `table25519.build` writes them, which refuses
    keys of small order. Each is an object with `read_into(offset, buffer)`, so that it need not lie in memory. A table
    decides over valid and forged like the key itself: keep it where only the lock writes, or compare its hash.
    """

    def __init__(self, public: bytes, table, base) -> None:
        self._public = bytes(public)
        self._table = table
        self._base = base

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` over `message` was made with the seed of the public key."""
        answer = _answer(self._public, signature)
        if answer < 0:
            return False
        commitment = signature[:32]
        challenge = _hash_number(commitment, self._public, message)
        expected = comb25519.combine_prepared(answer, self._base, challenge, self._table)
        if expected is None:
            return verify(self._public, message, signature)
        return edwards25519.encode(expected) == commitment


def _answer(public: bytes, signature: bytes) -> int:
    """Returns S of the signature; -1 if it is not below the order, or if a length is wrong."""
    if len(public) != 32 or len(signature) != 64:
        return -1
    answer = int.from_bytes(signature[32:], "little")
    return answer if answer < ORDER else -1


def _multiple_of_base(scalar: int) -> bytes:
    return edwards25519.encode(comb25519.combine(scalar))


# The first one is kept, and computes where the points are computed before and after it.
_kept = []


def _hash_number(*pieces: bytes) -> int:
    if not _kept:
        _kept.append(sha512())
    digest = _kept[0]
    digest.restart(borrow(MEMORY_BYTES))
    for piece in pieces:
        digest.update(piece)
    return int.from_bytes(digest.digest(), "little") % ORDER
