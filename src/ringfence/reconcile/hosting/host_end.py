"""The end of one hosting instance. Called by `host`; may be repeated."""

from ringfence.reconcile.instance.end import end_instance
from ringfence.reconcile.parts import Parts
from ringfence.resources.sagemaker import HostStatus


async def end_host(parts: Parts, instance_id: str, grace: float) -> None:
    """The instance, and last of all its HostStatus."""
    await end_instance(parts, instance_id, grace)
    with parts.store.transaction() as records:
        if (status := records.get(HostStatus, instance_id)) is not None:
            records.delete(status)
