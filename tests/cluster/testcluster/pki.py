"""A certificate authority of the cluster's own: two files, `ca.crt` and `ca.key`, in a folder."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=365)
# A clock that is a little behind must not find the certificates from the future.
BACKDATED = datetime.timedelta(hours=1)
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issued:
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Issues certificates that the cluster's programs and the API server's clients trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("shoal-test-cluster", ())
        usage = x509.BasicConstraints(ca=True, path_length=0)
        signed = self._builder(self._name, self._key).add_extension(usage, critical=True)
        self.certificate = folder / "ca.crt"
        self._write(self.certificate, signed)
        _write_key(folder / "ca.key", self._key)

    def issue(
        self, name: str, groups: Sequence[str] = (), hosts: Sequence[str] = (), file: str = ""
    ) -> Issued:
        """A certificate for a user of some groups; with `hosts`, also for a server of that name."""
        key = ec.generate_private_key(ec.SECP256R1())
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        request = self._builder(_name(name, groups), key).add_extension(
            x509.ExtendedKeyUsage(uses if hosts else uses[:1]), critical=False
        )
        if hosts:
            alternatives = x509.SubjectAlternativeName([_host(host) for host in hosts])
            request = request.add_extension(alternatives, critical=False)
        return self._save(file or name, request, key)

    def _save(self, file: str, request: x509.CertificateBuilder, key: PrivateKey) -> Issued:
        issued = Issued(self.folder / f"{file}.crt", self.folder / f"{file}.key")
        self._write(issued.certificate, request)
        _write_key(issued.key, key)
        return issued

    def _builder(self, subject: x509.Name, key: PrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + LIFETIME)
        )

    def _write(self, path: Path, request: x509.CertificateBuilder) -> None:
        path.write_bytes(request.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))


def signing_pair(folder: Path) -> tuple[Path, Path]:
    """The private and the public key of ServiceAccount tokens."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private, public = folder / "tokens.key", folder / "tokens.pub"
    _write_key(private, key)
    spki = PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, spki))
    return private, public


def _name(name: str, groups: Sequence[str]) -> x509.Name:
    organisations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organisations, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_key(path: Path, key: PrivateKey) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    path.touch(0o600)
    path.write_bytes(pem)
