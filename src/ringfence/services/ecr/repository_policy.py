"""Repository policies: who else may push and pull. The authorizer evaluates them on every call."""

import json

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.iam.policy import PolicyError, parse_policy
from ringfence.iam.principals import UnknownPrincipal, bind_principals, shown_text
from ringfence.resources.ecr import Repository
from ringfence.services.ecr.lookup import find_repository, invalid_parameter, names_of, on_repository, violates

_LARGEST = 10_240


@operation("SetRepositoryPolicy", takes="registryId repositoryName policyText force", on=on_repository)
def set_repository_policy(call: Call, request: Request) -> Result:
    repository, text = find_repository(call, request), repository_policy_text(request["policyText"], "*")
    # `force` lets a policy pass that shuts its author out of SetRepositoryPolicy, which is not looked for here
    request.get("force")
    if len(text) > _LARGEST:
        raise invalid_parameter(f"The policy is larger than {_LARGEST} characters")
    try:
        parse_policy(text, "resource")
        bound = bind_principals(call.records, text, repository.account)
    except UnknownPrincipal as error:
        raise violates("PolicyText", f"Invalid repository policy provided: unknown principal {error.value}") from None
    except PolicyError as error:
        raise violates("PolicyText", f"Invalid repository policy provided: {error.message}") from None
    given = request["policyText"]
    call.records.put(msgspec.structs.replace(repository, policy=given, policy_principals=bound))
    return {**names_of(repository), "policyText": given}


def repository_policy_text(text: str, arn: str) -> str:
    """The policy as the evaluator reads it: ECR's statements name no resource, they are about their repository."""
    try:
        document = json.loads(text)
        statements = document["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            if "Resource" not in statement and "NotResource" not in statement:
                statement["Resource"] = arn
    except (ValueError, TypeError, KeyError, RecursionError):
        return text  # the parser says what is wrong
    return json.dumps(document)


@operation("GetRepositoryPolicy", takes="registryId repositoryName", on=on_repository)
def get_repository_policy(call: Call, request: Request) -> Result:
    repository = find_repository(call, request)
    return {**names_of(repository), "policyText": _shown(call, repository)}


@operation("DeleteRepositoryPolicy", takes="registryId repositoryName", on=on_repository)
def delete_repository_policy(call: Call, request: Request) -> Result:
    repository = find_repository(call, request)
    shown = _shown(call, repository)
    call.records.put(msgspec.structs.replace(repository, policy=None, policy_principals={}))
    return {**names_of(repository), "policyText": shown}


def _shown(call: Call, repository: Repository) -> str:
    if repository.policy is None:
        message = (
            f"Repository policy does not exist for the repository with name '{repository.name}' in the registry with "
            f"id '{repository.account}'"
        )
        raise ServiceError("RepositoryPolicyNotFoundException", message)
    return shown_text(call.records, repository.policy, repository.policy_principals)
