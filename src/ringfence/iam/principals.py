"""The users and roles that a stored policy names: they must be there when it is written, and stay who they were.

AWS keeps the unique id behind each ARN, so that whoever is made anew under an old name is not let in. Here the text
stays as it was given, and the ids are kept beside it (`bind_principals`); evaluation and answers get the text with what
no longer holds put right. For trust and bucket policies; not for endpoint policies, which AWS does not check.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ringfence.core.arn import parse_arn
from ringfence.core.record import Reader
from ringfence.iam.policy import PolicyError
from ringfence.resources.iam import AccessKey, Role, User
from ringfence.resources.organizations import MemberAccount


class UnknownPrincipal(PolicyError):
    """A user or role that is not there; `value` is how the policy names it."""

    def __init__(self, value: str) -> None:
        super().__init__(f'Invalid principal in policy: "AWS":"{value}"')
        self.value = value


def bind_principals(records: Reader, text: str, owner: str) -> dict[str, str]:
    """The unique id behind each ARN of a user or role in a document that parses; UnknownPrincipal.

    `owner`: the account of what the policy is on. Who is in an account that is not of this server cannot be known, and
    so may be named.
    """
    bound: dict[str, str] = {}
    for value in _named(json.loads(text)):
        if value.startswith(("AIDA", "AROA")):
            if _by_id(records, value) is None:
                raise UnknownPrincipal(value)
            continue
        parsed = parse_arn(value)
        if parsed is None or parsed.service != "iam" or parsed.resource == "root":
            continue
        found = _by_arn(records, value)
        if found is not None:
            bound[value] = found.id
        elif parsed.account == owner or _is_here(records, parsed.account):
            raise UnknownPrincipal(value)
    return bound


def current_text(records: Reader, text: str, bound: Mapping[str, str]) -> str:
    """The document for evaluation: whoever no longer has the ARN that it names is named by unique id."""
    gone = _gone(records, bound)
    return _renamed(text, gone) if gone else text


def shown_text(records: Reader, text: str, bound: Mapping[str, str]) -> str:
    """The document for an answer: a user who was renamed under the new name, one who was deleted by unique id."""
    gone = _gone(records, bound)
    if not gone:
        return text
    moved = [(arn, _by_id(records, id)) for arn, id in gone]
    return _renamed(
        text, tuple((arn, found.arn if found else id) for (arn, found), (_, id) in zip(moved, gone, strict=True))
    )


def _gone(records: Reader, bound: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Those of the ARNs behind which there is nobody now, or somebody else."""
    return tuple((arn, id) for arn, id in bound.items() if (found := _by_arn(records, arn)) is None or found.id != id)


@functools.lru_cache(maxsize=1024)
def _renamed(text: str, names: tuple[tuple[str, str], ...]) -> str:
    new = dict(names)
    document = json.loads(text)
    for holder, key in _places(document):
        given = holder[key]
        holder[key] = [new.get(one, one) for one in given] if isinstance(given, list) else new.get(given, given)
    return json.dumps(document)


def _named(document: Any) -> Iterator[str]:
    """The values of all `"AWS"` principals."""
    for holder, key in _places(document):
        given = holder[key]
        yield from given if isinstance(given, list) else [given]


def _places(document: Any) -> Iterator[tuple[dict[str, Any], str]]:
    listed = document["Statement"]
    for statement in listed if isinstance(listed, list) else [listed]:
        for element in ("Principal", "NotPrincipal"):
            given = statement.get(element)
            if isinstance(given, dict) and "AWS" in given:
                yield given, "AWS"


def _by_arn(records: Reader, arn: str) -> User | Role | None:
    parsed = parse_arn(arn)
    if parsed is None:
        return None
    kind: type[User | Role] = User if parsed.resource.startswith("user/") else Role
    found = records.get(kind, f"{parsed.account}/{parsed.name.lower()}")
    return found if found is not None and found.arn == arn else None


def _by_id(records: Reader, id: str) -> User | Role | None:
    entities: list[User | Role] = [*records.all(User), *records.all(Role)]
    return next((entity for entity in entities if entity.id == id), None)


def _is_here(records: Reader, account: str) -> bool:
    """Whether the account is one of this server's: it has a key, or is in an organization."""
    if records.get(MemberAccount, account) is not None:
        return True
    return any(key.account == account for key in records.all(AccessKey))
