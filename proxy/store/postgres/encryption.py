"""Encrypts the API keys in a database: AES-GCM with a key derived from `store.secret`."""

import os
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from proxy.model.errors import StoreError

PURPOSE = b"virtualsms-proxy store.secret"
NONCE = 12


class Encryption:
    """A text is bound to the id of its row: it cannot be decrypted in another row."""

    def __init__(self, secret: str) -> None:
        key = HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(secret.encode())
        self._cipher = AESGCM(key)

    def seal(self, text: str, id: str) -> str:
        nonce = os.urandom(NONCE)
        return b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), id.encode())).decode()

    def open(self, sealed: str, id: str) -> str:
        """Decrypts. Raises StoreError if it was encrypted with another secret."""
        try:
            raw = b64decode(sealed)
            return self._cipher.decrypt(raw[:NONCE], raw[NONCE:], id.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise StoreError("a key was sealed under another store.secret: set that") from error
