"""May the caller do this? Gathers policies and condition keys, asks `iam.evaluate`, refuses in the service's words.

Not who the caller is (gateway.authentication) and not what policies mean (`iam`). Called by gateway.serve before every
handler, and by `conceal` after one that failed.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from ringfence.core.arn import make_arn, parse_arn
from ringfence.core.call import Arrival, Call, Principal, Request, Require
from ringfence.core.errors import ServiceError
from ringfence.core.operation import ACTION_PREFIX, Operation, Resources
from ringfence.explain.logged_call import Question
from ringfence.gateway.authentication.refusal import family_of
from ringfence.gateway.authorization.condition_keys import collect_texts, documented, global_context, request_entries
from ringfence.gateway.authorization.encoded_message import encode_denial
from ringfence.gateway.authorization.policy_layers import (
    PrincipalGone,
    bucket_layer,
    bucket_of,
    caller_layers,
    endpoint_layer,
    repository_layer,
    role_of,
    trust_layer,
)
from ringfence.gateway.authorization.resource_keys import owner_entries, resource_entries
from ringfence.iam.context import Entry
from ringfence.iam.evaluate import AccessRequest, Decision, Finding, Layers, evaluate
from ringfence.iam.organization import rcps_of
from ringfence.iam.session_token import seal_message, sealing_key
from ringfence.resources.s3 import Bucket
from ringfence.services.s3.public_access import is_public


class Denied(ServiceError):
    """AccessDenied in the service's words, with what `explain` shows: the request asked about and the decision."""

    def __init__(self, code: str, message: str, status: int, asked: AccessRequest, decision: Decision) -> None:
        super().__init__(code, message, status)
        self.asked = asked
        self.decision = decision


_RESTRICTED = Finding(
    "resource", "the bucket's public access block", None, True, "RestrictPublicBuckets ends what a public policy grants"
)
_GONE = Finding("identity", "the caller", None, True, "the user or role behind these credentials is gone")
_LIMITED = Finding(
    "identity", "the caller", None, True, "GetSessionToken's credentials without MFA open neither IAM nor STS"
)
_NOTHING_TO_ASK = Decision(allowed=True, layer=None)
# Takes each question as it was put and decided; the decision log's.
Note = Callable[[Question], None]


def _forget(_: Question) -> None:
    return None


def authorize(operation: Operation, call: Call, request: Request, note: Note = _forget) -> Decision:
    """The decision on the operation's own action; raises Denied unless that and all it implies is allowed."""
    named = operation.action_for(request)
    if named is None:
        return _NOTHING_TO_ASK
    if operation.decided_by is not None:
        request = {member: request[member] for member in operation.decided_by if member in request}
    asker = _Asker(operation, call, request, note)
    decision = _NOTHING_TO_ASK
    _check_bucket_exists(operation, call, request)
    own = list(_resources(named, operation.on, call, request))
    for arn in own:
        decision = asker.require(named, arn)
    for action, on in operation.also:
        for arn in _resources(action, on, call, request, implied=True):
            asker.require(action, arn)
    for member, service in operation.passes.items():
        for arn in collect_texts(request, member):
            asker.require_pass(arn, service, own[0])
    return decision


def _check_bucket_exists(operation: Operation, call: Call, request: Request) -> None:
    """S3 tells even strangers that there is no such bucket: nobody could say what they may do with it."""
    name = request.get("Bucket")
    if call.principal.kind != "anonymous" or not isinstance(name, str) or operation.name == "CreateBucket":
        return
    if call.records.get(Bucket, name) is None:
        raise ServiceError("NoSuchBucket", "The specified bucket does not exist", 404, {"BucketName": name})


def conceal(
    operation: Operation, call: Call, request: Request, error: ServiceError, note: Note = _forget
) -> ServiceError:
    """The error that the caller may see: AccessDenied in place of one that would tell what may not be listed."""
    rule = operation.conceals.get(error.code)
    if rule is None or operation.action is None:
        return error
    action, on = rule
    asker = _Asker(operation, call, request, note)
    for arn in _resources(action, on, call, request):
        question = asker.ask(action, arn)
        if not question.decision.allowed:
            return asker.refusal(question)
    return error


def is_allowed(call: Call, action: str, arn: str, note: Note = _forget) -> Decision:
    """What would be decided about one action on one resource, with the call's principal, path and time."""
    return _Asker(_probe(action.partition(":")[0]), call, {}, note).ask(action, arn).decision


def judge(call: Call, note: Note = _forget) -> Require:
    """`Call.judge`: the call's own chances, one thing after another. S3 alone has such requests."""
    asker = _Asker(_probe("s3"), call, {}, lambda question: note(question._replace(apart=True)))

    def require(action: str, arn: str, keys: Mapping[str, str]) -> None:
        asker.require(action, arn, [Entry(name, (value,), "the request") for name, value in keys.items()])

    return require


def _probe(service: str) -> Operation:
    return Operation(service, "", lambda _call, _request: {}, None)


def permits(call: Call, principal: Principal, action: str, arn: str, note: Note = _forget) -> bool:
    """`Call.may`: another principal's chances, in process, by no endpoint."""
    other = dataclasses.replace(
        call, principal=principal, account=principal.account, arrival=Arrival(source_ip=""), facts={}
    )
    return is_allowed(other, action, arn, note).allowed


class _Asker:
    """One call's policies and keys, gathered once for all the actions and resources that it is about."""

    def __init__(self, operation: Operation, call: Call, request: Request, note: Note) -> None:
        self._operation = operation
        self._note = note
        self._call = call
        self._context = global_context(operation, call)
        self._given = request_entries(operation, call, request)
        self._endpoint = endpoint_layer(call.records, call)
        try:
            self._own: Layers | None = caller_layers(call.records, call.principal)
        except PrincipalGone:
            self._own = None

    def require(self, action: str, arn: str, further: Sequence[Entry] = ()) -> Decision:
        """The decision if it allows; Denied if not."""
        return self._insist(self.ask(action, arn, further))

    def require_pass(self, role: str, service: str, resource: str) -> Decision:
        """That the role may be passed to the service for the resource: IAM checks it, and no endpoint is on that way.

        The role's tags have none either: "Such an approach does not have reliable results".
        https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
        """
        account, layers = self._layers("iam:PassRole", role)
        entries = [
            *owner_entries(self._call, account),
            Entry("iam:PassedToService", (service,), "the operation"),
        ]
        if resource != "*":
            entries.append(Entry("iam:AssociatedResourceArn", (resource,), "the operation's resource"))
        layers = dataclasses.replace(layers, endpoint=None)
        return self._insist(self._decide("iam:PassRole", role, account, layers, entries))

    def ask(self, action: str, arn: str, further: Sequence[Entry] = ()) -> Question:
        """The question as it was put, and the decision. `further`: keys of this question alone."""
        account, layers = self._layers(action, arn)
        given = documented((*self._given, *further), action, arn)
        version_id = next((entry.values[0] for entry in given if entry.name == "s3:versionid"), None)
        own = documented(resource_entries(self._call, action, arn, account, version_id), action, arn)
        return self._decide(action, arn, account, layers, [*own, *given])

    def _insist(self, question: Question) -> Decision:
        if not question.decision.allowed:
            raise self.refusal(question)
        return question.decision

    def _decide(self, action: str, arn: str, account: str, layers: Layers, entries: list[Entry]) -> Question:
        who, context = self._call.principal, self._context.plus(entries)
        if rcps := rcps_of(self._call.records, who, action, account):
            layers = dataclasses.replace(layers, rcps=rcps)
        asked = AccessRequest(who, action, arn, account, context)
        if self._own is None:
            decision = Decision(allowed=False, layer="identity", findings=(_GONE,))
        elif _is_limited_session(who, action):
            decision = Decision(allowed=False, layer="identity", findings=(_LIMITED,))
        elif action.startswith("s3:") and self._is_restricted(arn):
            decision = Decision(False, "resource", cross_account=True, findings=(_RESTRICTED,))
        else:
            decision = evaluate(asked, layers)
        question = Question(asked, layers, decision)
        self._note(question)
        return question

    def _layers(self, action: str, arn: str) -> tuple[str, Layers]:
        """The account that owns the resource, and all policies about it."""
        who = self._call.principal
        own = self._own or Layers()
        if action.startswith("s3:"):
            # a new bucket is the caller's to ask for, whoever has the name
            named = arn != "*" and action != "s3:CreateBucket"
            bucket = bucket_of(self._call.records, arn) if named else None
            account = bucket.account if bucket else who.account
            return account, dataclasses.replace(
                own, resource=bucket_layer(self._call.records, bucket), endpoint=self._endpoint
            )
        parsed = None if arn == "*" else parse_arn(arn)
        # AWS's own resources (managed policies, prefix lists) are everybody's
        account = parsed.account if parsed and parsed.account not in ("", "*", "aws") else who.account
        if action in _TRUST_ACTIONS:
            trust = trust_layer(self._call.records, role_of(self._call.records, arn))
            return account, dataclasses.replace(own, resource=trust, trust=True, endpoint=self._endpoint)
        if action.startswith("ecr:"):
            policy = repository_layer(self._call.records, arn)
            return account, dataclasses.replace(own, resource=policy, endpoint=self._endpoint)
        return account, dataclasses.replace(own, endpoint=self._endpoint) if self._endpoint else own

    def _is_restricted(self, arn: str) -> bool:
        """RestrictPublicBuckets: a public policy admits nobody from outside the account but AWS services."""
        who = self._call.principal
        bucket = None if arn == "*" else bucket_of(self._call.records, arn)
        if bucket is None or bucket.policy is None or who.account == bucket.account or who.kind == "service":
            return False
        return bool((bucket.public_access_block or {}).get("RestrictPublicBuckets")) and is_public(bucket.policy)

    def refusal(self, question: Question) -> Denied:
        """The denial as the operation's service words it."""
        asked, decision = question.request, question.decision
        message = decision.message(asked.principal.arn, asked.action, asked.resource)
        match family_of(self._operation.service):
            case "ec2":
                sealed = seal_message(sealing_key(self._call.records), encode_denial(question), self._call.entropy)
                text = f"You are not authorized to perform this operation. {message}. "
                text += f"Encoded authorization failure message: {sealed}"
                return Denied("UnauthorizedOperation", text, 403, asked, decision)
            case "s3" | "query":
                return Denied("AccessDenied", message, 403, asked, decision)
            case "json":
                return Denied("AccessDeniedException", message, 400, asked, decision)
            case "rest-json":
                # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_feature_store_PutRecord.html
                feature_store = self._operation.service == "sagemaker-featurestore-runtime"
                code = "AccessForbidden" if feature_store else "AccessDeniedException"
                return Denied(code, message, 403, asked, decision)


_TRUST_ACTIONS = frozenset({"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"})


def _is_limited_session(who: Principal, action: str) -> bool:
    """GetSessionToken's credentials, without MFA, open neither IAM nor STS but for two operations; a federated user's
    not even these.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
    """
    if who.kind == "federated":
        return action.startswith(("iam:", "sts:")) and action != "iam:PassRole"
    temporary = who.kind in ("user", "root") and (who.access_key_id or "").startswith("ASIA")
    return temporary and action.startswith(("iam:", "sts:")) and action not in ("sts:AssumeRole", "iam:PassRole")


_MEMBER = re.compile(r"\{([A-Za-z0-9.]+)\}")


def _resources(
    action: str, on: tuple[str, ...] | Resources, call: Call, request: Request, *, implied: bool = False
) -> Iterator[str]:
    """The ARNs that an action is about; `*` if nothing is named, but nothing for an `implied` action's function."""
    if callable(on):
        found = on(call, request)
        yield from found or ([] if implied else ["*"])
        return
    if not on:
        yield "*"
        return
    prefix = action.partition(":")[0]
    service = ACTION_PREFIX.get(prefix, prefix)
    for template in on:
        for resource in _fill(template, request):
            yield (
                resource
                if resource == "*" or resource.startswith("arn:")
                else make_arn(service, call.region, call.account, resource)
            )


@cache
def _parts(template: str) -> tuple[str, ...]:
    """Of a template that an operation's decorator spells."""
    return tuple(_MEMBER.split(template))


def _fill(template: str, request: Request) -> list[str]:
    """The template with members of the request in it: one text for each item of a list; `*` for what is absent."""
    made = [""]
    # odd parts are the members' names; a value is never looked into again, whatever braces it holds
    for index, part in enumerate(_parts(template)):
        values = (collect_texts(request, part) or ["*"]) if index % 2 else [part]
        made = [text + value for text in made for value in values]
    return made
