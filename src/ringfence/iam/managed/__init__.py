"""AWS managed policies: one JSON file each, named as the policy, with its path, description and document.

Read by gateway.authorization.policy_layers and services.iam.
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/
"""

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

_PREFIX = "arn:aws:iam::aws:policy"


@dataclass(frozen=True, slots=True)
class AwsManagedPolicy:
    """A policy that AWS keeps. `created` and `updated` are ISO 8601 dates; `version` is the current version's id."""

    name: str
    path: str
    id: str
    description: str
    created: str
    updated: str
    version: str
    document: str

    @property
    def arn(self) -> str:
        return f"{_PREFIX}{self.path}{self.name}"


@functools.cache
def managed_policies() -> dict[str, AwsManagedPolicy]:
    """Those that Ringfence has, by ARN."""
    files = [file for file in resources.files(__name__).iterdir() if file.name.endswith(".json")]
    loaded = [_load(file.name.removesuffix(".json"), json.loads(file.read_text("utf-8"))) for file in files]
    return {policy.arn: policy for policy in sorted(loaded, key=lambda policy: policy.name)}


def managed_document(arn: str) -> str | None:
    """The document of an AWS managed policy, or None if there is no such policy here."""
    found = managed_policies().get(arn)
    return found.document if found else None


def _load(name: str, content: dict[str, Any]) -> AwsManagedPolicy:
    document = json.dumps(content["document"], indent=4)
    return AwsManagedPolicy(name, **{**content, "document": document})
