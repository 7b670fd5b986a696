"""The runtime's refusal of a request that does not fit the endpoint. Raised by all its operations."""

from ringfence.core.errors import ServiceError


def validation_error(message: str) -> ServiceError:
    """The runtime's code has no `Exception` at its end."""
    return ServiceError("ValidationError", message)
