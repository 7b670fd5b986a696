"""The policies that a user or role is given, inline, attached and by groups, with where each was found.

Read by gateway.authorization.policy_layers for every call, and by the simulator.
"""

from functools import lru_cache

from ringfence.core.record import Reader
from ringfence.iam.evaluate import Source
from ringfence.iam.managed import managed_document
from ringfence.resources.iam import Group, ManagedPolicy, Role, User


def identity_sources(records: Reader, owner: User | Role | Group) -> tuple[Source, ...]:
    """The identity policies of a user with those of its groups, or of a role or group."""
    own = _given_to(records, owner)
    if not isinstance(owner, User) or not owner.groups:
        return own
    groups = [group for key in owner.groups if (group := records.get(Group, key)) is not None]
    return (*own, *(source for group in groups for source in _given_to(records, group)))


def _given_to(records: Reader, owner: User | Role | Group) -> tuple[Source, ...]:
    inline = _inline(type(owner).__name__.lower(), owner.name, tuple(owner.policies.items()))
    return (*inline, *(managed_source(records, arn) for arn in owner.attached))


@lru_cache(maxsize=256)
def _inline(kind: str, owner: str, policies: tuple[tuple[str, str], ...]) -> tuple[Source, ...]:
    """Made once for the same policies: what has changed is asked for by its new text."""
    return tuple(Source(f"inline policy `{name}` of {kind} `{owner}`", text) for name, text in policies)


def managed_source(records: Reader, arn: str) -> Source:
    """A managed policy in its default version; one that is gone cannot be read, and so denies."""
    own = records.get(ManagedPolicy, arn)
    if own is not None:
        texts = [version.document for version in own.versions if version.id == own.default_version]
        return Source(f"managed policy {arn}", texts[0] if texts else "")
    return Source(f"managed policy {arn}", managed_document(arn) or "")
