"""How an error leaves: its name, code, status and members, the model's where it has them. And malformed input.

Every wire writes its errors from an `ErrorReply` and turns `Malformed` into its protocol's AWS error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringfence.core.errors import ServiceError
from ringfence.protocol.model import ServiceModel, Shape, error_shapes

# ServiceError's own default: a handler that says nothing means what the model says
_DEFAULT_STATUS = 400


class Malformed(Exception):
    """Bytes that do not spell a value of the shape.

    `reason` is AWS's wording, `member` says where, `value` what stood there.
    """

    def __init__(self, reason: str, member: str = "", value: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.member = member
        self.value = value


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """`name` is the shape's (JSON's `__type`), `code` the query and XML one; both are the error's code if unmodelled.

    `members`: what the modelled shape carries beside the message. `extras`: further fields, as text (S3's).
    """

    name: str
    code: str
    status: int
    message: str
    message_member: str | None
    shape: Shape | None
    members: Mapping[str, Any]
    extras: Mapping[str, str]

    @property
    def fault(self) -> str:
        return "Receiver" if self.status >= 500 else "Sender"


def reply_for(model: ServiceModel, error: ServiceError, *, from_query: bool = False) -> ErrorReply:
    """The error as the model of its service knows it.

    `from_query`: statuses of the model are those of `query`, which the service spoke once; it now answers 400 or 500.
    """
    shape = error_shapes(model).get(error.code)
    if shape is None:
        extras = {key: str(value) for key, value in error.fields.items()}
        return ErrorReply(error.code, error.code, error.status, error.message, None, None, {}, extras)
    status = error.status
    if status == _DEFAULT_STATUS:
        modelled = {} if from_query else shape.metadata.get("error", {})
        status = modelled.get("httpStatusCode", 500 if shape._shape_model.get("fault") else status)
    return ErrorReply(
        name=shape.name,
        code=shape.error_code,
        status=status,
        message=error.message,
        message_member=next((name for name in shape.members if name.lower() == "message"), None),
        shape=shape,
        members={key: value for key, value in error.fields.items() if key in shape.members},
        extras={key: str(value) for key, value in error.fields.items() if key not in shape.members},
    )
