"""Where the one interface of an app or a notebook instance goes: subnets and groups that are there, one with room.

Called by explain.app and explain.notebook. Not a model's: explain.checks.network has that.
"""

from collections.abc import Iterator

from ringfence.explain import aws_message
from ringfence.explain.checks.network import count_free, find_gone
from ringfence.explain.finding import Finding, Seen, ok, wrong
from ringfence.explain.hosting import Ground, Plan
from ringfence.services.sagemaker.failure_reason import ADDRESSES_EACH, NO_ADDRESSES


def check_placement(ground: Ground, plan: Plan, where: str, placed: bool) -> Iterator[Finding]:
    """`where`: what names the subnets and groups. `placed`: it has its interface already, and needs no more room."""
    for subnet_ids, group_ids in plan.networks:
        first = subnet_ids[0]
        if gone := find_gone(ground, subnet_ids, group_ids):
            sentence = f"{', '.join(gone)} of {where} {'does' if len(gone) == 1 else 'do'} not exist any more"
            remedy = f"name subnets and security groups in {where} that exist"
            yield wrong("network", first, sentence, remedy, aws_message.internal_error(), *gone)
            continue
        yield ok("network", first, f"the subnets and security groups of {where} exist", *subnet_ids, *group_ids)
        free = count_free(ground, subnet_ids)
        if not placed and all(number < ADDRESSES_EACH for number in free.values()):
            shown = ", ".join(f"{id} has {number}" for id, number in free.items())
            sentence = f"no subnet has the {ADDRESSES_EACH} addresses that it takes: {shown} free"
            remedy = "delete network interfaces in these subnets, or name a larger one"
            yield wrong("addresses", first, sentence, remedy, Seen("", NO_ADDRESSES), *free)
