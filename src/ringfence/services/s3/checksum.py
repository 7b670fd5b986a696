"""S3's object checksums: what a client sent against what came in, and the checksum of a whole made of its parts'.

Pure; the bytes themselves were summed when the blob came in. Values are base64 of the big-endian digest.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence

from awscrt import checksums as crc

from ringfence.core.call import Request
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.results import Blob

# S3 gives an object this checksum when its client asked for none.
DEFAULT = "CRC64NVME"
ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
MEMBERS = tuple(f"Checksum{algorithm}" for algorithm in ALGORITHMS)

_DIGEST: dict[str, Callable[[bytes], bytes]] = {
    "CRC32": lambda data: crc.crc32(data).to_bytes(4, "big"),
    "CRC32C": lambda data: crc.crc32c(data).to_bytes(4, "big"),
    "CRC64NVME": lambda data: crc.crc64nvme(data).to_bytes(8, "big"),
    "SHA1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}
_COMBINE: dict[str, Callable[[int, int, int], int]] = {
    "CRC32": crc.combine_crc32,
    "CRC32C": crc.combine_crc32c,
    "CRC64NVME": crc.combine_crc64nvme,
}


def sent_in(request: Request) -> dict[str, str]:
    """The checksums that a request's members carry, by algorithm. S3 takes one at most."""
    sent = {algorithm: request[f"Checksum{algorithm}"] for algorithm in ALGORITHMS if f"Checksum{algorithm}" in request}
    if len(sent) > 1:
        message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        raise ServiceError("InvalidRequest", message, 400)
    return sent


def check_algorithm(algorithm: str | None) -> None:
    """Refuse an algorithm that S3 knows and Ringfence does not."""
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise not_implemented(f"the checksum algorithm {algorithm}")


def verified(request: Request, blob: Blob) -> dict[str, str]:
    """The one checksum to keep with this content: the client's, compared with the bytes, or S3's default."""
    check_algorithm(request.get("ChecksumAlgorithm"))
    _check_md5(request.get("ContentMD5"), blob.md5)
    sent = sent_in(request) or {name: value for name, value in blob.checksums.items() if name in ALGORITHMS}
    for algorithm, value in sent.items():
        if not _is_digest(algorithm, value):
            message = f"Value for x-amz-checksum-{algorithm.lower()} header is invalid."
            raise ServiceError("InvalidRequest", message, 400)
        if value != blob.computed[algorithm]:
            message = f"The {algorithm} you specified did not match the calculated checksum."
            raise ServiceError("BadDigest", message, 400)
    return sent or {DEFAULT: blob.computed[DEFAULT]}


def _check_md5(sent: str | None, md5: str) -> None:
    if sent is None:
        return
    try:
        digest = base64.b64decode(sent, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise ServiceError("InvalidDigest", "The Content-MD5 you specified was invalid.", 400, {"Content-MD5": sent})
    if digest.hex() != md5:
        fields = {"ExpectedDigest": sent, "CalculatedDigest": base64.b64encode(bytes.fromhex(md5)).decode()}
        raise ServiceError("BadDigest", "The Content-MD5 you specified did not match what we received.", 400, fields)


def _is_digest(algorithm: str, value: str) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == len(_DIGEST[algorithm](b""))
    except (binascii.Error, ValueError):
        return False


def of_parts(algorithm: str, kind: str, parts: Sequence[tuple[str | None, int]]) -> str | None:
    """The checksum of a multipart object from its parts' (checksum, size); None if a part's is not known.

    COMPOSITE: the checksum of the parts' checksums, and how many. FULL_OBJECT: as if the content had come in one.
    """
    digests = [base64.b64decode(value) for value, _ in parts if value is not None]
    if len(digests) != len(parts):
        return None
    if kind == "COMPOSITE":
        return base64.b64encode(_DIGEST[algorithm](b"".join(digests))).decode() + f"-{len(parts)}"
    total = 0
    for digest, (_, size) in zip(digests, parts, strict=True):
        total = _COMBINE[algorithm](total, int.from_bytes(digest, "big"), size)
    return base64.b64encode(total.to_bytes(len(digests[0]), "big")).decode()


def as_members(checksums: dict[str, str], kind: str | None = None) -> dict[str, str]:
    """Checksums as result members, with ChecksumType if `kind` is given."""
    members = {f"Checksum{algorithm}": value for algorithm, value in checksums.items()}
    return {**members, "ChecksumType": kind} if members and kind else members
