"""The one exception that a handler raises: an AWS error with its code, message and status.

Not for faults of ours: anything else that escapes a handler becomes InternalFailure, 500, in the gateway.
"""

from collections.abc import Mapping
from typing import Any


class ServiceError(Exception):
    """An AWS-shaped error. `code` is what the client sees (`InvalidVpcID.NotFound`, `ValidationException`).

    `status` is the HTTP status. `fields` are further members of a modelled error (ModelError's OriginalStatusCode),
    `headers` those of the answer that no model knows (S3's x-amz-delete-marker).
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 400,
        fields: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields: Mapping[str, Any] = fields or {}
        self.headers: Mapping[str, str] = headers or {}


def not_implemented(what: str) -> ServiceError:
    """The loud refusal of an operation or parameter that Ringfence does not have; `what` is a noun phrase."""
    return ServiceError("NotImplemented", f"Ringfence does not implement {what}.", 501)
