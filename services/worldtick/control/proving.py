"""Proof of who sends a command: Ed25519 over the record's exact bytes, in a header.
Lives here: keys, signing, checking. Not here: which keys count (store/keys), what their holders may do (hearing)."""

import base64
import binascii
import hashlib
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from worldtick.contracts.errors import Faulty
from worldtick.contracts.headers import Headers

SIGNATURE_HEADER: Final = (
    "worldtick-signature"  # KEY_ID.BASE64URL: neither comma, colon nor tab, which consoles split at
)
_SIGNATURE_BYTES: Final = 64
_HEADER_BYTES_MAX: Final = 256
CHECKED_MAX: Final = 256  # remembered: control looks at a record once when it comes and once when it judges


class Signature(NamedTuple):
    """What a header claims."""

    key_id: str
    signature: bytes


def new_private_key() -> Ed25519PrivateKey:
    """A fresh key, out of the system's randomness."""
    return Ed25519PrivateKey.generate()


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes that the store keeps."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def key_id_of(public: bytes) -> str:
    """A public key's name."""
    return hashlib.sha256(public).hexdigest()[:16]


def private_pem(key: Ed25519PrivateKey) -> bytes:
    """A private key as a file holds it: PKCS 8, not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_private_key(pem: bytes, source: str) -> Ed25519PrivateKey:
    """The key in a file's bytes. Raises Faulty."""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError) as broken:
        raise Faulty(f"key file {source}", [f"holds no private key: {broken}"]) from broken
    if not isinstance(key, Ed25519PrivateKey):
        raise Faulty(f"key file {source}", ["holds a key of another kind; `worldtick key new` makes Ed25519 ones"])
    return key


def sign(key: Ed25519PrivateKey, value: bytes) -> str:
    """The header's text for these exact bytes."""
    signature = base64.urlsafe_b64encode(key.sign(value)).decode().rstrip("=")
    return f"{key_id_of(public_bytes(key))}.{signature}"


def signature_in(headers: Headers | None) -> Signature | None:
    """The signature among a record's headers, the last one if there are several; None if none can be read."""
    found = [text for name, text in headers or () if name == SIGNATURE_HEADER and text is not None]
    if not found or len(found[-1]) > _HEADER_BYTES_MAX:
        return None
    key_id, dot, encoded = found[-1].decode("ascii", "replace").strip().partition(".")
    try:
        signature = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if not dot or len(key_id) != 16 or not key_id.isalnum() or len(signature) != _SIGNATURE_BYTES:
        return None
    return Signature(key_id, signature)


@lru_cache(maxsize=CHECKED_MAX)
def is_signed_by(public: bytes, signature: bytes, value: bytes) -> bool:
    """Whether the holder of a key signed these exact bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, value)
    except InvalidSignature:
        return False
    return True
