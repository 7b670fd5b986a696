"""A call as a handler sees it: who, from where, when, and the transaction that it may write in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ringfence.core import ids
from ringfence.core.arn import make_arn
from ringfence.core.record import Writer

# A request's members as the service model names them, parsed and validated by `protocol`; a result likewise.
Request = dict[str, Any]
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Arrival:
    """The path that the packets took, said by the socket that accepted them; never by a header.

    `vpc_id` and `vpce_id` are set together, by a listener behind a VPC endpoint; `listener` names it for `explain`.
    `tls_version`: what was negotiated, `1.3`.
    """

    source_ip: str
    vpc_id: str | None = None
    vpce_id: str | None = None
    tls: bool = False
    listener: str = "in process"
    tls_version: str | None = None


PrincipalKind = Literal["root", "user", "role", "federated", "service", "anonymous"]


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller.

    `arn`: `arn:aws:iam::A:root`, `…:user/path/name`, or for a role's session `arn:aws:sts::A:assumed-role/R/S`.
    `id`: the account for root, `AIDA…`, or `AROA…:session`. `role_arn`: the session's role, else None.
    A federated user is `arn:aws:sts::A:federated-user/N`, `user_arn` the user whose rights it shares (None: root's).
    `session_policies`: policy documents (JSON text) or ARNs of managed policies, passed to AssumeRole.
    `service`: a service principal's name; `source_arn`: the resource for which it acts.
    """

    kind: PrincipalKind
    account: str
    arn: str
    id: str
    role_arn: str | None = None
    session_name: str | None = None
    session_policies: tuple[str, ...] = ()
    token_issued: datetime | None = None
    access_key_id: str | None = None
    service: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    user_arn: str | None = None
    source_arn: str | None = None


# Raises the denial of an action on a resource, if it is denied; the mapping holds condition keys of that question.
Require = Callable[[str, str, Mapping[str, str]], None]


def _judges_nothing(call: "Call") -> Require:
    raise TypeError("this call has no authorizer")


def _permits_nothing(call: "Call", principal: Principal, action: str, arn: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler is given beside its request. `account` is the caller's; `region` is the credential scope's."""

    records: Writer
    account: str
    region: str
    principal: Principal
    arrival: Arrival
    now: datetime
    request_id: str
    entropy: ids.Entropy
    # condition keys that only the authenticated HTTP request can tell: aws:UserAgent, s3:authType, s3:signatureAge …
    facts: Mapping[str, str] = field(default_factory=dict)
    # the gateway's authorizer, for handlers that must know what another principal may do (CreateModel: its role)
    permits: Callable[["Call", Principal, str, str], bool] = _permits_nothing
    # the gateway's authorizer, for handlers whose request is about many things of which each is decided by itself
    judges: Callable[["Call"], Require] = _judges_nothing

    def judge(self) -> Require:
        """Decides on one thing after another, for this call's principal and by its path."""
        return self.judges(self)

    def may(self, principal: Principal, action: str, arn: str) -> bool:
        """Whether the principal, calling in process and not by this call's path, would be allowed the action."""
        return self.permits(self, principal, action, arn)

    def new_id(self, prefix: str) -> str:
        """A fresh EC2-style id, `prefix-0…`."""
        return ids.resource_id(prefix, self.entropy)

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of the caller's account and region."""
        return make_arn(service, self.region, self.account, resource)

    def scoped(self, name: str) -> str:
        """The record key of a name that is unique per account and region: `account/region/name`."""
        return f"{self.account}/{self.region}/{name}"
