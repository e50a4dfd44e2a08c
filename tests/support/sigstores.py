"""A sigstore of the tests' own: certificate authority, transparency log and certificate log, all keys made on the spot.

What it signs is verified by the real library against this instance's trusted root, without a network.
Source: the specifications of Sigstore's bundle 0.3 and trusted root 0.1, RFC 6962, C2SP's tlog-checkpoint.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sigstore.models import TrustedRoot
from sigstore.verify import Verifier

_SCTS = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_ORIGIN = "log.example"


class Sigstore:
    """One instance, which believes whoever asks for a certificate."""

    def __init__(self) -> None:
        self._now = datetime.now(timezone.utc).replace(microsecond=0)
        self._authority, self._log, self._certificates = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "example")])
        self._name = name
        self._root = (
            self._builder(name, self._authority, timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._authority.public_key()), critical=False)
            .sign(self._authority, hashes.SHA256())
        )

    def verifier(self, folder: Path) -> Verifier:
        """The library's verifier, which believes this instance alone."""
        valid = {"start": (self._now - timedelta(days=1)).isoformat().replace("+00:00", "Z")}
        certificate = {"rawBytes": _base64(self._root.public_bytes(Encoding.DER))}
        root = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [_log(self._log, valid)],
            "ctlogs": [_log(self._certificates, valid)],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "example", "commonName": "example"},
                    "uri": "https://authority.example",
                    "certChain": {"certificates": [certificate]},
                    "validFor": valid,
                }
            ],
            "timestampAuthorities": [],
        }
        place = folder / "trusted-root.json"
        place.write_text(json.dumps(root))
        return Verifier(trusted_root=TrustedRoot.from_file(str(place)))

    def bundle(self, data: bytes, identity: str, issuer: str) -> bytes:
        """A bundle over these bytes by this identity, for which this issuer vouches."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certificate(key, identity, issuer)
        signature = _base64(key.sign(data, ec.ECDSA(hashes.SHA256())))
        digest = hashlib.sha256(data).digest()
        body = {
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": {"hash": {"algorithm": "sha256", "value": digest.hex()}},
                "signature": {
                    "content": signature,
                    "publicKey": {"content": _base64(certificate.public_bytes(Encoding.PEM))},
                },
            },
        }
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "verificationMaterial": {
                    "certificate": {"rawBytes": _base64(certificate.public_bytes(Encoding.DER))},
                    "tlogEntries": [self._entry(_canonical(body))],
                },
                "messageSignature": {
                    "messageDigest": {"algorithm": "SHA2_256", "digest": _base64(digest)},
                    "signature": signature,
                },
            }
        ).encode()

    def _entry(self, body: bytes) -> dict[str, Any]:
        """The entry of a log that has no other: its root is the entry's own leaf."""
        key_id = _key_id(self._log)
        time = int(self._now.timestamp())
        promised = {"body": _base64(body), "integratedTime": time, "logID": key_id.hex(), "logIndex": 0}
        root = _base64(hashlib.sha256(b"\x00" + body).digest())
        note = f"{_ORIGIN}\n1\n{root}\n"
        signed = _base64(key_id[:4] + self._log.sign(note.encode(), ec.ECDSA(hashes.SHA256())))
        return {
            "logIndex": "0",
            "logId": {"keyId": _base64(key_id)},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"},
            "integratedTime": str(time),
            "inclusionPromise": {
                "signedEntryTimestamp": _base64(self._log.sign(_canonical(promised), ec.ECDSA(hashes.SHA256())))
            },
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": root,
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\u2014 {_ORIGIN} {signed}\n"},
            },
            "canonicalizedBody": _base64(body),
        }

    def _certificate(self, key: ec.EllipticCurvePrivateKey, identity: str, issuer: str) -> x509.Certificate:
        builder = (
            self._builder(x509.Name([]), key, timedelta(minutes=10))
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._authority.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(identity)]), critical=True)
            .add_extension(x509.UnrecognizedExtension(_ISSUER, issuer.encode()), critical=False)
        )
        before = builder.sign(self._authority, hashes.SHA256())
        time = struct.pack(">Q", int(self._now.timestamp() * 1000))
        whole = before.tbs_certificate_bytes
        entry = _key_id(self._authority) + struct.pack(">I", len(whole))[1:] + whole
        signature = self._certificates.sign(
            b"\x00\x00" + time + b"\x00\x01" + entry + b"\x00\x00", ec.ECDSA(hashes.SHA256())
        )
        timestamp = b"\x00" + _key_id(self._certificates) + time + b"\x00\x00" + b"\x04\x03" + _sized(signature)
        listed = _sized(_sized(timestamp))
        octets = bytes([0x04, len(listed)]) if len(listed) < 128 else bytes([0x04, 0x81, len(listed)])
        return builder.add_extension(x509.UnrecognizedExtension(_SCTS, octets + listed), critical=False).sign(
            self._authority, hashes.SHA256()
        )

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, lasts: timedelta
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - timedelta(minutes=1))
            .not_valid_after(self._now + lasts)
        )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    others = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        decipher_only=False,
        **others,
    )


def _log(key: ec.EllipticCurvePrivateKey, valid: dict[str, str]) -> dict[str, Any]:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "baseUrl": "https://log.example",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": _base64(public), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid},
        "logId": {"keyId": _base64(_key_id(key))},
    }


def _key_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).digest()


def _sized(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
