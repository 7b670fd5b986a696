"""Network isolation: no credentials and no calls from the container, by intention. Said since it looks like a fault."""

from collections.abc import Iterator

from ringfence.explain.finding import Finding, note, ok
from ringfence.explain.hosting import Ground, Plan


def check_isolation(ground: Ground, plan: Plan) -> Iterator[Finding]:
    for variant in plan.variants:
        if variant.isolated:
            sentence = (
                f"variant {variant.name} is isolated: its container has no network and no credentials, so "
                "AWS clients in it say `NoCredentialsError: Unable to locate credentials` and downloads fail; "
                "SageMaker still fetches the model data and calls /ping and /invocations"
            )
            remedy = "create the model without EnableNetworkIsolation if its code must call anything"
            yield note("isolation", variant.name, sentence, remedy)
        else:
            yield ok(
                "isolation", variant.name, f"variant {variant.name} is not isolated: it has the role's credentials"
            )
