"""The gateway's certificate for TLS, read when it is made: a wrong file is told before anything runs."""

from __future__ import annotations

import ssl
from typing import Protocol


class Certified(Protocol):
    """Settings that may name a certificate."""

    @property
    def certificate_file(self) -> str:
        """Certificate chain, as PEM; empty for none."""

    @property
    def certificate_key_file(self) -> str:
        """Private key of the certificate, as PEM."""


def certificate_context(params: Certified) -> ssl.SSLContext | None:
    """What serves TLS, or None where no certificate is set; `ValueError` where the files are no use."""
    chain, key = params.certificate_file, params.certificate_key_file
    if not chain:
        if key:
            raise ValueError(f"certificate_key_file is {key!r} without a certificate: set certificate_file as well")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    for name, path in (("certificate_file", chain), ("certificate_key_file", key)):
        _check_readable(name, path)
    try:
        # A key with a password would ask for it at the terminal; an empty one is refused instead.
        context.load_cert_chain(chain, key or None, password="")
    except ssl.SSLError as error:
        raise ValueError(
            f"certificate_file {chain!r} and certificate_key_file {key!r} are no certificate with its key "
            f"({error.reason or 'not PEM'}): write the certificate chain and its private key as PEM, without a password"
        ) from None
    return context


def _check_readable(name: str, path: str) -> None:
    try:
        if path:
            with open(path, "rb"):
                pass
    except OSError as error:
        raise ValueError(
            f"{name} {path!r} cannot be read ({error.strerror}): name a PEM file that this user may read"
        ) from None
