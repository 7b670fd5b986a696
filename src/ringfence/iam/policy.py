"""Policy documents: read, checked against the grammar, compiled. Errors are in AWS's words.

Not what a policy means for a request (`evaluate`). `parse_policy` is for handlers that store documents and refuse bad
ones; `compile_policy` is the cached form that evaluation reads.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import functools
import json
import re
from collections.abc import Iterable
from typing import Any, Literal

from ringfence.iam.conditions.condition import Condition, compile_condition, is_known
from ringfence.iam.statement import Policy, Principals, Statement, compile_action, compile_resource

# identity: also boundaries, session policies and SCPs; resource: any other policy with a Principal.
Kind = Literal["identity", "trust", "bucket", "endpoint", "resource"]


class PolicyError(ValueError):
    """Why a document is refused: MalformedPolicyDocument's (for a bucket MalformedPolicy's) message.

    `position`: line and column of a fault in the JSON, or (1, 1): what an endpoint policy's message quotes.
    """

    def __init__(self, message: str, position: tuple[int, int] = (1, 1)) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


def parse_policy(text: str, kind: Kind) -> Policy:
    """The policy that a document spells; PolicyError if AWS would refuse to store it."""
    return _Reader(kind, text, strict=True).read()


@functools.lru_cache(maxsize=4096)
def compile_policy(text: str, kind: Kind) -> Policy:
    """A stored document for evaluation: what is not understood in a condition stays in it, undecidable."""
    return _Reader(kind, text, strict=False).read()


_JSON = {"bucket": "Policies must be valid JSON and the first byte must be '{'"}
_SYNTAX = {"bucket": "Policies must be valid JSON and the first byte must be '{'"}
_VERSIONS = ("2008-10-17", "2012-10-17")
_TOP = frozenset({"Version", "Id", "Statement"})
_ELEMENTS = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
# What IAM takes is letters and digits; AWS's own SageMaker pages have spaces too, so these pass (`explain` warns).
_SID = re.compile(r"[0-9A-Za-z ]*")
_PARTITION = re.compile(r"aws(-[a-z]+)*")
_ACTION = re.compile(r"[A-Za-z0-9*-]+:[A-Za-z0-9*?_-]+")
_PRINCIPAL_TYPES = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
# an account, a unique id, or an ARN of a principal; wildcards in part of one are not allowed
_AWS_PRINCIPAL = re.compile(
    r"[0-9]{12}|A(?:IDA|ROA)[A-Z0-9]{4,}"
    r"|arn:aws[a-z-]*:iam::[0-9]{12}:(?:root|(?:user|role)/[^*?\s]+)"
    r"|arn:aws[a-z-]*:sts::[0-9]{12}:(?:assumed-role|federated-user)/[^*?\s]+"
)
_SERVICE = re.compile(r"[A-Za-z0-9.-]+\.amazonaws\.com(?:\.cn)?|[a-z0-9-]+\.amazon\.com")


class _Reader:
    """One pass over one document."""

    def __init__(self, kind: Kind, text: str, *, strict: bool) -> None:
        self.kind = kind
        self.text = text
        self.strict = strict
        self.variables = False

    def read(self) -> Policy:
        document = self._load()
        version = document.get("Version", "2008-10-17")
        if version not in _VERSIONS:
            raise self._error(
                "The policy must contain a valid version string",
                "Policy document must be version 2012-10-17 or greater.",
            )
        self.variables = version == "2012-10-17"
        if document.keys() - _TOP or not isinstance(document.get("Id", ""), str):
            raise self._syntax()
        if "Statement" not in document:
            raise self._error("Missing required field Statement", "Syntax errors in policy.")
        listed = document["Statement"]
        statements = listed if isinstance(listed, list) else [listed]
        if not statements:
            raise self._error("Could not parse the policy: Statement is empty!", "Syntax errors in policy.")
        read = tuple(self._statement(number, statement) for number, statement in enumerate(statements, 1))
        sids = [statement.sid for statement in read if statement.sid]
        if len(set(sids)) < len(sids):
            raise PolicyError("Statement IDs (SID) in a single policy must be unique.")
        return Policy(version, document.get("Id"), read, self.text)

    def _load(self) -> dict[str, Any]:
        try:
            document = json.loads(self.text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            raise PolicyError(
                _JSON.get(self.kind, "This policy contains invalid Json"), (error.lineno, error.colno)
            ) from None
        except (ValueError, RecursionError):
            raise self._syntax() from None
        if not isinstance(document, dict):
            raise self._syntax()
        return document

    def _statement(self, number: int, element: object) -> Statement:
        if not isinstance(element, dict) or element.keys() - _ELEMENTS:
            raise self._syntax()
        for name in ("Action", "Resource", "Principal"):
            if name in element and f"Not{name}" in element:
                raise self._syntax()
        effect = element.get("Effect")
        if effect is None:
            raise self._error("Missing required field Effect", "Syntax errors in policy.")
        if effect not in ("Allow", "Deny"):
            raise self._error(f"Invalid effect: {effect}", "Syntax errors in policy.")
        sid = element.get("Sid")
        if sid is not None and not isinstance(sid, str):
            raise self._syntax()
        if sid is not None and self.strict and self.kind in ("identity", "trust") and not _SID.fullmatch(sid):
            raise PolicyError(
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
                "[0-9A-Za-z]*"
            )
        principals, not_principal = self._principals(element, effect)
        resources, not_resource = self._resources(element)
        actions, not_action = self._actions(element)
        return Statement(
            number=number,
            sid=sid or None,
            effect=effect,
            actions=tuple(compile_action(action) for action in actions),
            not_action=not_action,
            resources=tuple(compile_resource(item, variables=self.variables) for item in resources),
            not_resource=not_resource,
            principals=principals,
            not_principal=not_principal,
            conditions=self._conditions(element.get("Condition", {})),
        )

    def _actions(self, element: dict[str, Any]) -> tuple[list[str], bool]:
        negated = "NotAction" in element
        actions = self._strings(element.get("NotAction" if negated else "Action"))
        if not actions:
            raise self._error("Missing required field Action", "Policy statement must contain actions.")
        for action in actions:
            if action != "*" and not _ACTION.fullmatch(action):
                raise self._action_error(action)
            if self.kind == "trust" and not action.lower().startswith("sts:"):
                raise PolicyError("AssumeRole policy may only specify STS AssumeRole actions.")
        return actions, negated

    def _action_error(self, action: str) -> PolicyError:
        if ":" not in action:
            text = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
        elif action.count(":") > 1:
            text = "Actions/Condition can contain only one colon."
        else:
            text = f"Vendor {action.partition(':')[0]} is not valid"
        return self._error("Policy has invalid action", text)

    def _resources(self, element: dict[str, Any]) -> tuple[list[str], bool]:
        negated = "NotResource" in element
        present = negated or "Resource" in element
        if self.kind == "trust":
            if present:
                raise PolicyError("Has prohibited field Resource")
            return [], False
        resources = self._strings(element.get("NotResource" if negated else "Resource"))
        if not resources:
            raise self._error("Missing required field Resource", "Policy statement must contain resources.")
        for resource in resources:
            if resource != "*" and not resource.startswith("arn:"):
                raise self._error("Policy has invalid resource", f'Resource {resource} must be in ARN format or "*".')
            self._check_partition(resource)
            if resource.count(":") < 5 and "*" not in resource:
                raise self._error("Policy has invalid resource", "The policy failed legacy parsing")
        return resources, negated

    def _check_partition(self, resource: str) -> None:
        """A partition with a wildcard may be any."""
        partition = resource.split(":", 2)[1] if resource != "*" else "*"
        if self.strict and "*" not in partition and "?" not in partition and not _PARTITION.fullmatch(partition):
            text = f'Partition "{partition}" is not valid for resource "{resource}".'
            raise self._error("Policy has invalid resource", text)

    def _principals(self, element: dict[str, Any], effect: str) -> tuple[Principals | None, bool]:
        negated = "NotPrincipal" in element
        given = element.get("NotPrincipal" if negated else "Principal")
        if self.kind == "identity":
            if given is not None or negated or "Principal" in element:
                raise PolicyError("Policy document should not specify a principal.")
            return None, False
        if given is None:
            raise self._error("Missing required field Principal", "Missing required field Principal")
        if negated and (effect == "Allow" or self.kind == "trust"):
            raise self._error("Allow with NotPrincipal is not allowed.", "Has prohibited field NotPrincipal")
        if given == "*":
            return Principals((("*", "*"),)), negated
        if not isinstance(given, dict) or not given or given.keys() - _PRINCIPAL_TYPES:
            raise self._principal_error(json.dumps(given))
        entries = [(kind, value) for kind, values in given.items() for value in self._strings(values)]
        for kind, value in entries:
            if not _is_principal(kind, value):
                raise self._principal_error(f'"{kind}":"{value}"')
        return Principals(tuple(entries)), negated

    def _conditions(self, element: object) -> tuple[Condition, ...]:
        if not isinstance(element, dict):
            raise self._syntax()
        conditions = []
        for name, block in element.items():
            if not isinstance(block, dict):
                raise self._syntax()
            if self.strict and not is_known(name):
                raise PolicyError(f"Invalid Condition type : {name}")
            for key, values in block.items():
                condition = compile_condition(name, key, _values(values, self._syntax), variables=self.variables)
                if self.strict and condition.fault:
                    raise self._syntax()
                conditions.append(condition)
        return tuple(conditions)

    def _strings(self, given: object) -> list[str]:
        items = given if isinstance(given, list) else [] if given is None else [given]
        texts = [item for item in items if isinstance(item, str) and item]
        if len(texts) < len(items):
            raise self._syntax()
        return texts

    def _syntax(self) -> PolicyError:
        return PolicyError(_SYNTAX.get(self.kind, "Syntax errors in policy."))

    def _error(self, bucket: str, other: str) -> PolicyError:
        return PolicyError(bucket if self.kind == "bucket" else other)

    def _principal_error(self, given: str) -> PolicyError:
        return self._error("Invalid principal in policy", f"Invalid principal in policy: {given}")


def _is_principal(kind: str, value: str) -> bool:
    match kind:
        case "AWS":
            return value == "*" or _AWS_PRINCIPAL.fullmatch(value) is not None
        case "Service":
            return _SERVICE.fullmatch(value) is not None
        case _:
            return True


def _values(given: object, error: Any) -> tuple[str, ...]:
    """Condition values: strings, numbers and booleans, one or a list, as strings."""
    made = []
    for item in given if isinstance(given, list) else [given]:
        if isinstance(item, bool):
            made.append("true" if item else "false")
        elif isinstance(item, (str, int, float)):
            made.append(str(item))
        else:
            raise error()
    return tuple(made)


def _no_duplicates(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A repeated element would leave it open which one counts."""
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"{key} is given twice")
        made[key] = value
    return made


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
