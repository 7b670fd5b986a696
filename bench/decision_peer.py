"""moto's evaluator and cedarpy on the same decisions: run by bench.decision in the peers' environment; prints JSON."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cedarpy
from moto.iam.access_control import IAMPolicy, PermissionResult

from bench import decision_case as case
from bench.stopwatch import microseconds


def moto(documents: list[str], action: str, resource: str) -> Callable[[], bool]:
    """moto asks each policy in turn, as its IAMRequest does; it leaves most conditions unread."""
    policies = [IAMPolicy({"policy_document": document, "policy_name": "p"}) for document in documents]

    def decide() -> bool:
        said = [policy.is_action_permitted(action, resource) for policy in policies]
        return PermissionResult.DENIED not in said and PermissionResult.PERMITTED in said

    return decide


def cedar(policies: str, context: dict[str, object]) -> Callable[[], bool]:
    """Parsed once, as our own policies are."""
    compiled = cedarpy.PolicySet.from_str(policies)
    entities = cedarpy.Entities.from_json_str("[]")
    request = {
        "principal": {"type": "Role", "id": case.ROLE},
        "action": {"type": "Action", "id": case.ACTION},
        "resource": {"type": "Endpoint", "id": case.ENDPOINT},
        "context": context,
    }
    return lambda: bool(cedarpy.is_authorized(request, compiled, entities).allowed)


def main() -> None:
    managed = json.loads(Path(sys.argv[1]).read_text())
    print(
        json.dumps(
            {
                "moto": {
                    "small": microseconds(moto([case.SMALL], case.ACTION, case.ENDPOINT)),
                    "conditions": microseconds(moto([case.CONDITIONS], case.ACTION, case.ENDPOINT)),
                    "managed": microseconds(moto(managed, case.ACTION, case.ENDPOINT)),
                },
                "cedar": {
                    "small": microseconds(cedar(case.CEDAR_SMALL, {})),
                    "conditions": microseconds(cedar(case.CEDAR_CONDITIONS, case.CEDAR_CONTEXT)),
                },
            }
        )
    )


if __name__ == "__main__":
    main()
