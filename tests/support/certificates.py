"""Makes certificates with openssl for tests of TLS."""

import subprocess

from programs import find_program


class Authority:
    """An authority in a folder that signs certificates."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.certificate = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._openssl(
            *("req", "-x509", "-nodes", "-subj", "/CN=ca", "-days", "2"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),  # Python 3.13 demands it
            *self._new("ca"),
        )

    def sign(self, name, *alternatives):
        """Return the paths of a certificate with these alternative names, and of its key."""
        request = self.folder / f"{name}.csr"
        self._openssl("req", "-nodes", "-subj", f"/CN={name}", *self._new(name, request))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={','.join(alternatives)}\n")
        certificate = self.folder / f"{name}.pem"
        self._openssl(
            *("x509", "-req", "-in", request, "-days", "2", "-CAcreateserial"),
            *("-CA", self.certificate, "-CAkey", self._key),
            *("-extfile", extensions, "-out", certificate),
        )
        return certificate, self.folder / f"{name}.key"

    def _new(self, name, output=None):
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        output = output or self.folder / f"{name}.pem"
        return (*key, "-keyout", self.folder / f"{name}.key", "-out", output)

    def _openssl(self, *arguments):
        done = subprocess.run(
            [find_program("openssl"), *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
