"""Interfaces that a service has made in the caller's account: seen there, and the service's alone to change.

Those of endpoints and NAT gateways; https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html
"""

from ringfence.core.call import Call
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import NetworkInterface
from ringfence.services.ec2 import noun


def find_own(call: Call, id: str) -> NetworkInterface:
    """An interface that no service manages."""
    interface = noun.find(call, NetworkInterface, id)
    if interface.requester_managed:
        raise not_yours()
    return interface


def not_yours() -> ServiceError:
    return ServiceError("AuthFailure", "You do not have permission to access the specified resource.")
