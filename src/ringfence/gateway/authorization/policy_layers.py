"""The policies that have a say in a call: of the caller, of the resource, and of the VPC endpoint it came through.

Read by gateway.authorization; what they mean is `iam.evaluate`'s.
"""

import json

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Principal
from ringfence.core.record import Reader
from ringfence.iam.evaluate import EndpointPolicy, Layers, Source
from ringfence.iam.organization import scps_of
from ringfence.iam.principals import current_text
from ringfence.resources.ec2 import VpcEndpoint
from ringfence.resources.ecr import Repository
from ringfence.resources.iam import Role, User
from ringfence.resources.s3 import Bucket
from ringfence.services.ecr.repository_policy import repository_policy_text
from ringfence.services.iam.identity_policy import identity_sources, managed_source


class PrincipalGone(LookupError):
    """The user or role behind valid credentials has been deleted."""


def caller_layers(records: Reader, who: Principal) -> Layers:
    """Identity policies, boundary, session policies and SCPs of the caller. Raises PrincipalGone."""
    session = tuple(_session(records, given) for given in who.session_policies) or None
    scps = scps_of(records, who)
    if who.kind == "federated":
        return _federated_layers(records, who, session or (), scps)
    if who.kind not in ("user", "role"):
        return Layers(session=session, scps=scps)
    owner = find_identity(records, who)
    boundary = managed_source(records, owner.boundary) if owner.boundary else None
    return Layers(identity=identity_sources(records, owner), boundary=boundary, session=session, scps=scps)


def _federated_layers(
    records: Reader, who: Principal, session: tuple[Source, ...], scps: tuple[tuple[Source, ...], ...]
) -> Layers:
    """The user's rights, or root's, as far as the session's policies allow: without one, only what names the session.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_getfederationtoken.html
    """
    if who.user_arn is None:
        everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        return Layers(identity=(Source("the root user's rights", json.dumps(everything)),), session=session, scps=scps)
    user = records.get(User, f"{who.account}/{who.user_arn.rpartition('/')[2].lower()}")
    # one made anew under the name is another user
    made_anew = (
        user is not None and who.token_issued is not None and user.created.replace(microsecond=0) > who.token_issued
    )
    if user is None or user.arn != who.user_arn or made_anew:
        raise PrincipalGone(who.user_arn)
    boundary = managed_source(records, user.boundary) if user.boundary else None
    return Layers(identity=identity_sources(records, user), boundary=boundary, session=session, scps=scps)


def _session(records: Reader, given: str) -> Source:
    return managed_source(records, given) if given.startswith("arn:") else Source("session policy", given)


def find_identity(records: Reader, who: Principal) -> User | Role:
    """The user or role that the caller is, by its unique id: one made anew under the name is another."""
    arn = who.role_arn or who.arn
    key = f"{who.account}/{arn.rpartition('/')[2].lower()}"
    found: User | Role | None = records.get(Role, key) if who.kind == "role" else records.get(User, key)
    if found is None or found.arn != arn or found.id != who.id.partition(":")[0]:
        raise PrincipalGone(arn)
    return found


def endpoint_layer(records: Reader, call: Call) -> EndpointPolicy | None:
    """The policy of the VPC endpoint that accepted the call; of one just deleted nothing is allowed any more."""
    identifier = call.arrival.vpce_id
    if identifier is None:
        return None
    found = records.get(VpcEndpoint, identifier)
    if found is None:
        return EndpointPolicy(f"policy of VPC endpoint {identifier}", "", gateway=False)
    return EndpointPolicy(f"policy of VPC endpoint {identifier}", found.policy, gateway=found.type == "Gateway")


def bucket_of(records: Reader, arn: str) -> Bucket | None:
    """The bucket that an S3 ARN lies in, if there is one."""
    parsed = parse_arn(arn)
    if parsed is None or parsed.region or parsed.account:
        return None
    return records.get(Bucket, parsed.resource.partition("/")[0])


def bucket_layer(records: Reader, bucket: Bucket | None) -> Source | None:
    if bucket is None or bucket.policy is None:
        return None
    text = current_text(records, bucket.policy, bucket.policy_principals)
    return Source(f"policy of bucket `{bucket.name}`", text)


def repository_layer(records: Reader, arn: str) -> Source | None:
    """The policy of the ECR repository of this ARN, if both are there."""
    parsed = parse_arn(arn)
    if parsed is None or not parsed.resource.startswith("repository/"):
        return None
    name = parsed.resource.removeprefix("repository/")
    found = records.get(Repository, f"{parsed.account}/{parsed.region}/{name}")
    if found is None or found.policy is None:
        return None
    text = current_text(records, repository_policy_text(found.policy, arn), found.policy_principals)
    return Source(f"policy of repository `{name}`", text)


def role_of(records: Reader, arn: str) -> Role | None:
    """The role of this ARN; unlike its name in IAM's own calls, an ARN's case counts."""
    parsed = parse_arn(arn)
    if parsed is None or parsed.service != "iam":
        return None
    found = records.get(Role, f"{parsed.account}/{parsed.name.lower()}")
    return found if found is not None and found.arn == arn else None


def trust_layer(records: Reader, role: Role | None) -> Source | None:
    if role is None:
        return None
    return Source(f"trust policy of role `{role.name}`", current_text(records, role.trust, role.trusted))
