"""Finding repositories; the resources of ECR's actions; errors in ECR's words."""

import re

from ringfence.core.arn import make_arn
from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.ecr import Repository

# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
NAME = re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def registry_of(call: Call, request: Request) -> str:
    """The account whose registry is meant: the caller's own unless it says another."""
    registry: str = request.get("registryId", call.account)
    return registry


def on_repository(call: Call, request: Request) -> list[str]:
    """The repository that the request names, wherever it is."""
    return [make_arn("ecr", call.region, registry_of(call, request), f"repository/{request['repositoryName']}")]


def find_repository(call: Call, request: Request) -> Repository:
    """The repository that `repositoryName` and `registryId` name; RepositoryNotFoundException."""
    name, registry = request["repositoryName"], registry_of(call, request)
    found = call.records.get(Repository, f"{registry}/{call.region}/{name}")
    if found is None:
        raise ServiceError(
            "RepositoryNotFoundException",
            f"The repository with name '{name}' does not exist in the registry with id '{registry}'",
        )
    return found


def names_of(repository: Repository) -> Result:
    """The members that say in an answer which repository it is about."""
    return {"registryId": repository.account, "repositoryName": repository.name}


def invalid_parameter(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)


def violates(member: str, constraint: str) -> ServiceError:
    """A parameter that AWS finds wrong by its own rules, beyond the model's."""
    return invalid_parameter(f"Invalid parameter at '{member}' failed to satisfy constraint: '{constraint}'")
