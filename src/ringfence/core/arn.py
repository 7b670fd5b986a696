"""Amazon Resource Names: `arn:partition:service:region:account:resource`."""

from functools import lru_cache

import msgspec


class Arn(msgspec.Struct, frozen=True):
    """The six fields of an ARN; `resource` keeps every colon and slash after the fifth colon."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"

    @property
    def name(self) -> str:
        """What follows the last slash: a role's name without its path, an endpoint's name."""
        return self.resource.rpartition("/")[2]


@lru_cache(maxsize=4096)
def parse_arn(text: str) -> Arn | None:
    """The ARN that `text` spells, or None: callers know which AWS error a malformed one earns."""
    fields = text.split(":", 5)
    if len(fields) != 6 or fields[0] != "arn" or not fields[1] or not fields[2] or not fields[5]:
        return None
    return Arn(*fields[1:])


# Services whose ARNs carry no region, and those whose ARNs carry no account either.
_GLOBAL = frozenset({"iam", "sts"})
_BARE = frozenset({"s3", "route53"})


def make_arn(service: str, region: str, account: str, resource: str) -> str:
    """The ARN of a resource of ours: S3's and Route 53's have no region and no account, IAM's no region."""
    if service in _BARE:
        return f"arn:aws:{service}:::{resource}"
    return f"arn:aws:{service}:{'' if service in _GLOBAL else region}:{account}:{resource}"
