"""Creates the TLS context of the server from the web configuration."""

import ssl
from collections.abc import Callable
from pathlib import Path

from agtop_exporter.server.web.config import Tls, read_regular

VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
CERTIFICATES = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


class TlsError(ValueError):
    """A file cannot be used. `key` is the key of the setting that names the file."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(why)
        self.key = key


def context_of(tls: Tls, directory: Path) -> ssl.SSLContext:
    """Return the TLS context. Relative paths are relative to `directory`. Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[tls.min_version]
    context.maximum_version = VERSIONS[tls.max_version]
    context.set_alpn_protocols(["http/1.1"])
    certificate, key = directory / tls.cert_file, directory / tls.key_file
    _check("cert_file", lambda: read_regular(certificate))
    _check("key_file", lambda: read_regular(key))
    # An empty password is not correct, and OpenSSL does not ask for another one on the terminal.
    _check("cert_file", lambda: context.load_cert_chain(certificate, key, password=""))
    if tls.client_ca_file:
        authorities = directory / tls.client_ca_file
        _check("client_ca_file", lambda: read_regular(authorities))
        _check("client_ca_file", lambda: context.load_verify_locations(authorities))
    context.verify_mode = CERTIFICATES[tls.client_auth_type]
    return context


def _check(key: str, load: Callable[[], object]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        raise TlsError(key, _reason(error)) from error
    except OSError as error:
        raise TlsError(key, f"cannot read the file: {error.strerror}") from error


def _reason(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the certificate does not belong to the key in key_file"
    if error.reason and "DECRYPT" in error.reason:
        return "the key in key_file is encrypted; use a key without a password"
    return "the file has no certificate in PEM format, or key_file has no key in PEM format"
