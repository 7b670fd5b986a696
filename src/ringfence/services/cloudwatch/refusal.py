"""CloudWatch's errors, by their codes."""

from ringfence.core.errors import ServiceError


def invalid_value(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValue", message)


def invalid_combination(message: str) -> ServiceError:
    return ServiceError("InvalidParameterCombination", message)


def missing(member: str) -> ServiceError:
    return ServiceError("MissingParameter", f"The parameter {member} is required.")


def invalid(message: str) -> ServiceError:
    return ServiceError("ValidationError", message)
