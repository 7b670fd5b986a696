"""May this principal do this to that resource? All policies in, one explained Decision out. Pure.

Not where policies come from or which error the client sees: gateway.authorization gathers the layers and words the
refusal.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ringfence.core.call import Principal
from ringfence.iam.conditions.condition import Failure, test
from ringfence.iam.context import Context
from ringfence.iam.policy import Kind, PolicyError, compile_policy
from ringfence.iam.statement import Form, Statement

Layer = Literal["rcp", "scp", "resource", "trust", "identity", "boundary", "session", "endpoint"]


class Source(NamedTuple):
    """A policy and where it was found, in words: "inline policy `a` of role `R`"."""

    name: str
    text: str


class EndpointPolicy(NamedTuple):
    """The policy of the VPC endpoint that the request came through; a gateway's knows no principals but `*`."""

    name: str
    text: str
    gateway: bool


@dataclass(frozen=True, slots=True)
class Layers:
    """Every policy that has a say. None: there is no such layer, so it limits nothing.

    `identity`: what the caller's user or role is given. `resource`: a bucket policy, or with `trust` a role's trust
    policy. `session`: of an assumed role with session policies. `scps`: one group a level of the organization, each of
    which must allow. `rcps` only ever deny.
    """

    identity: tuple[Source, ...] = ()
    resource: Source | None = None
    trust: bool = False
    boundary: Source | None = None
    session: tuple[Source, ...] | None = None
    endpoint: EndpointPolicy | None = None
    scps: tuple[tuple[Source, ...], ...] = ()
    rcps: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """`resource`: an ARN, or `*` for actions on nothing in particular. `resource_account`: who owns it."""

    principal: Principal
    action: str
    resource: str
    resource_account: str
    context: Context


class Finding(NamedTuple):
    """A statement that was looked at: it is about the action. `applied`: it counts; `why` not, or why nevertheless."""

    layer: Layer
    policy: str
    statement: Statement | None
    applied: bool
    why: str | Failure | None
    form: Form | None = None

    def __str__(self) -> str:
        if self.statement is None:
            return f"{self.policy}: {self.why}"
        name = self.statement.sid or f"statement {self.statement.number}"
        verb = "applies" if self.applied else "does not apply"
        because = f": {self.why}" if self.why is not None else ""
        return f"{self.policy}, {name} ({self.statement.effect}) {verb}{because}"


@dataclass(frozen=True, slots=True)
class Decision:
    """`layer`: which one denied, or for what is allowed which one granted (None: root, or nothing to ask).

    `explicit`: by a Deny statement, rather than for want of an Allow. `findings`: every statement about the action.
    """

    allowed: bool
    layer: Layer | None
    explicit: bool = False
    cross_account: bool = False
    findings: tuple[Finding, ...] = ()

    def message(self, principal_arn: str, action: str, resource: str) -> str:
        """AWS's sentence of a denial; no reason is given to another account."""
        service = action.partition(":")[0]
        if self.cross_account and service == "s3":
            return "Access Denied"
        quoted = f'"{resource}"' if service == "s3" else resource
        text = f"User: {principal_arn} is not authorized to perform: {action} on resource: {quoted}"
        return text if self.cross_account or self.layer is None else f"{text} {self._clause(action)}"

    def _clause(self, action: str) -> str:
        assert self.layer is not None
        article, name = _NAMES[self.layer]
        if self.explicit:
            return f"with an explicit deny in {article} {name}"
        return f"because no {name} allows the {action} action"


_NAMES: dict[Layer, tuple[str, str]] = {
    "identity": ("an", "identity-based policy"),
    "resource": ("a", "resource-based policy"),
    "boundary": ("a", "permissions boundary"),
    "session": ("a", "session policy"),
    "scp": ("a", "service control policy"),
    "rcp": ("a", "resource control policy"),
    "endpoint": ("a", "VPC endpoint policy"),
    "trust": ("the", "role trust policy"),
}


class _Look:
    """One evaluation: what each layer says, noted as it goes."""

    def __init__(self, request: AccessRequest, layers: Layers) -> None:
        self.request = request
        self.layers = layers
        self.action = request.action.lower()
        self.findings: list[Finding] = []
        self.denied: Layer | None = None

    def at(self, layer: Layer, sources: Iterable[Source | EndpointPolicy], kind: Kind) -> list[Finding]:
        """The Allow statements of a layer that apply; a Deny that applies is noted in `denied`."""
        allowed: list[Finding] = []
        for source in sources:
            try:
                policy = compile_policy(source.text, kind)
            except PolicyError as error:
                # fail closed: what cannot be read may have held a Deny
                self._note(Finding(layer, source.name, None, True, f"the policy cannot be read: {error.message}"))
                self.denied = self.denied or layer
                continue
            for statement in policy.about(self.action):
                finding = self._look(layer, source, statement)
                self._note(finding)
                if finding.applied and statement.effect == "Allow":
                    allowed.append(finding)
                elif finding.applied:
                    self.denied = self.denied or layer
        return allowed

    def _note(self, finding: Finding) -> None:
        self.findings.append(finding)

    def _look(self, layer: Layer, source: Source | EndpointPolicy, statement: Statement) -> Finding:
        form: Form | None = None
        if statement.principals is not None:
            form = self._named(source, statement)
            if form is None:
                return Finding(layer, source.name, statement, False, "it does not name the caller")
        request = self.request
        if not statement.covers_resource(request.resource, request.context):
            return Finding(layer, source.name, statement, False, f"it is not about {request.resource}")
        doubt: Failure | None = None
        for condition in statement.conditions:
            failure = test(condition, request.context)
            if failure is not None and failure.undecidable is None:
                return Finding(layer, source.name, statement, False, failure)
            doubt = doubt or failure
        # what cannot be decided never grants, and denies where it would have denied
        applied = doubt is None or statement.effect == "Deny"
        return Finding(layer, source.name, statement, applied, doubt, form)

    def _named(self, source: Source | EndpointPolicy, statement: Statement) -> Form | None:
        """How a statement's principals name the caller, or None."""
        assert statement.principals is not None
        who = self.request.principal
        if statement.not_principal:
            if statement.effect == "Allow":
                return None
            # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
            return "any" if self.layers.boundary is not None or not statement.principals.exempts(who) else None
        form = statement.principals.form(who)
        if form == "any" and statement.names_principal_arn:
            form = "any-with-arn"
        if isinstance(source, EndpointPolicy) and source.gateway and statement.effect == "Allow":
            return _through_gateway(form, who)
        return form


def _through_gateway(form: Form | None, who: Principal) -> Form | None:
    """A gateway endpoint's policy names principals by `*` alone; an account there means its root user only."""
    if form in ("any", "any-with-arn") or (form is not None and who.kind == "root"):
        return form
    return None


# Bucket policies may not lock the account's root out of mending them.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
_ROOT_MAY_MEND = frozenset({"s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"})


def evaluate(request: AccessRequest, layers: Layers) -> Decision:
    """Every Deny wins; then each layer that limits must allow, and one that grants must grant."""
    look = _Look(request, layers)
    who = request.principal
    scps = [look.at("scp", level, "identity") for level in layers.scps]
    look.at("rcp", layers.rcps, "resource")
    in_resource = _at_resource(look, layers)
    in_identity = look.at("identity", layers.identity, "identity")
    in_boundary = None if layers.boundary is None else look.at("boundary", (layers.boundary,), "identity")
    in_session = None if layers.session is None else look.at("session", layers.session, "identity")
    in_endpoint = None if layers.endpoint is None else look.at("endpoint", (layers.endpoint,), "endpoint")
    foreign = who.account != request.resource_account and who.kind != "service"

    findings = tuple(look.findings)
    if look.denied is not None:
        return Decision(False, look.denied, True, foreign, findings)
    if not all(scps):
        return Decision(False, "scp", False, foreign, findings)
    refused = _refuse(request, layers, in_resource, in_identity, in_boundary, in_session, foreign)
    if refused is not None:
        return Decision(False, refused, False, foreign, findings)
    # an endpoint's policy only ever limits
    if in_endpoint is not None and not in_endpoint:
        return Decision(False, "endpoint", False, foreign, findings)
    granted: Layer | None = "identity" if in_identity else _layer_of(layers) if in_resource else None
    return Decision(True, granted, False, foreign, findings)


def _layer_of(layers: Layers) -> Layer:
    return "trust" if layers.trust else "resource"


def _at_resource(look: _Look, layers: Layers) -> list[Finding]:
    if layers.resource is None:
        return []
    layer = _layer_of(layers)
    before = look.denied
    found = look.at(layer, (layers.resource,), "trust" if layers.trust else "resource")
    who = look.request.principal
    if who.kind == "root" and who.account == look.request.resource_account and look.action in _ROOT_MAY_MEND:
        look.denied = before
    return found


def _refuse(
    request: AccessRequest,
    layers: Layers,
    in_resource: list[Finding],
    in_identity: list[Finding],
    in_boundary: list[Finding] | None,
    in_session: list[Finding] | None,
    foreign: bool,
) -> Layer | None:
    """The layer that does not allow, or None. No Deny applies."""
    who = request.principal
    if who.kind in ("anonymous", "service") or (foreign and not in_resource):
        return None if in_resource else _layer_of(layers)
    if layers.trust and not in_resource:
        return "trust"
    if who.kind == "root":
        return None
    # the form in which the resource's policy names the caller says which limits it reaches past
    forms = set() if foreign else {finding.form for finding in in_resource}
    if forms & {"user", "session", "any-with-arn"}:
        return None
    if not in_identity and not forms & {"role", "any"}:
        return "identity"
    if in_boundary is not None and not in_boundary:
        return "boundary"
    if in_session is not None and not in_session:
        return "session"
    return None
