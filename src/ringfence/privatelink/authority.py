"""Ringfence's certificate authority: made once, then a certificate for each AWS name that a client asks a listener for.

Not a web PKI: clients trust it because `ringfence env`, `exec` and every container point AWS_CA_BUNDLE at it.
Called by the TLS listeners (`context`) and by `app` when the daemon starts (`open_authority`).
"""

import datetime as dt
import ipaddress
import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_YEARS = 10
# RFC 5280 verifiers of today refuse more than 398 days on a leaf.
_LEAF_DAYS = 397
_RENEW_DAYS = 30
_MAX_CONTEXTS = 512

_NAME = re.compile(r"(?=.{1,253}$)(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+[a-z]{2,63}")
# Ringfence vouches for AWS's names and for the test hosts of its own internet, for nothing else.
_OURS = (".amazonaws.com", ".api.aws", ".sagemaker.aws", ".localhost")
_HOSTS = ("example.com", "www.example.com", "localhost")
# The endpoint in a name: what follows a bucket's name in S3's hosts, a domain's or notebook's in SageMaker's.
_WILD = re.compile(
    r"(?:.+?\.)??"
    r"((?:(?:bucket|accesspoint|control)\.vpce-[a-z0-9-]+\.)?s3[a-z0-9-]*\.(?:[a-z0-9.-]+\.)?amazonaws\.com"
    r"|dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com"
    r"|(?:studio|notebook|partner-app)\.[a-z0-9-]+\.sagemaker\.aws|[a-z0-9-]+\.experiments\.sagemaker\.aws)"
)


@dataclass(frozen=True, slots=True)
class _Signer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Authority:
    """Signs certificates for the names that the listeners answer to. One leaf key for the life of the daemon."""

    def __init__(self, signer: _Signer, directory: Path) -> None:
        self._signer = signer
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: dict[str, tuple[dt.datetime, ssl.SSLContext]] = {}
        self.bundle = directory / "ca.pem"

    def context(self, default: str) -> ssl.SSLContext:
        """A server context that shows each client a certificate for the name in its SNI, else one for `default`."""
        context = self._load(default)
        context.sni_callback = self._choose
        return context

    def _choose(self, connection: ssl.SSLObject, name: str | None, initial: ssl.SSLContext) -> None:
        """OpenSSL's callback. A name that is not ours keeps the default: the client sees the mismatch, as at AWS."""
        host = (name or "").lower().rstrip(".")
        if not is_ours(host):
            return
        group = names_of(host)[0]
        known = self._contexts.get(group)
        if known is None or known[0] < _now():
            if len(self._contexts) >= _MAX_CONTEXTS:
                self._contexts.clear()
            renew = _now() + dt.timedelta(days=_LEAF_DAYS - _RENEW_DAYS)
            known = self._contexts[group] = (renew, self._load(host))
        connection.context = known[1]

    def _load(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        _load_chain(context, self._issue(names_of(host)), self._leaf_key)
        return context

    def _issue(self, names: tuple[str, ...]) -> x509.Certificate:
        now = _now()
        ca = self._signer.certificate
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
            .issuer_name(ca.subject)
            .public_key(self._leaf_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=_LEAF_DAYS))
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key()), critical=False)  # type: ignore[arg-type]
            .sign(self._signer.key, hashes.SHA256())
        )


def is_ours(host: str) -> bool:
    """Whether Ringfence vouches for the name at all."""
    return host in _HOSTS or (host.endswith(_OURS) and _NAME.fullmatch(host) is not None)


def names_of(host: str) -> tuple[str, ...]:
    """The names that a certificate for `host` covers; the first one stands for the group.

    Buckets are in the host name, one label before the endpoint: `b.s3.us-west-2.amazonaws.com`. A bucket with dots in
    its name does not match AWS's wildcard either.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
    """
    wild = _WILD.fullmatch(host)
    if wild:
        return (wild[1], f"*.{wild[1]}")
    if host in ("localhost", "127.0.0.1"):
        return ("localhost", "127.0.0.1", "*.localhost")
    if host in ("example.com", "www.example.com"):
        return ("example.com", "www.example.com")
    return (host,)


def open_authority(directory: Path) -> Authority:
    """The authority of a state directory: `key.pem` (mode 0600) and `ca.pem`, made at first start and kept."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.chmod(0o711)  # containers and users read ca.pem by its path
    key_file, certificate_file = directory / "key.pem", directory / "ca.pem"
    if not (key_file.exists() and certificate_file.exists()):
        signer = _make_signer()
        _write(key_file, _pem(signer.key), 0o600)
        _write(certificate_file, signer.certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        return Authority(signer, directory)
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"`{key_file}` is not an elliptic curve key")
    return Authority(_Signer(x509.load_pem_x509_certificate(certificate_file.read_bytes()), key), directory)


def _make_signer() -> _Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    now = _now()
    # The serial keeps two daemons' authorities apart in one trust store.
    serial = x509.random_serial_number()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ringfence"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Ringfence local authority {serial:x}"[:64]),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365 * _CA_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Signer(certificate, key)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _load_chain(context: ssl.SSLContext, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """Python loads keys from files only: this one lives in memory and never has a name on disk."""
    descriptor = os.memfd_create("leaf")
    try:
        os.write(descriptor, _pem(key) + certificate.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable to others for a moment."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
