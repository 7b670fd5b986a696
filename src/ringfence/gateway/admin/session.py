"""The instance behind a `ringfence exec`: an ENI in a subnet, or a host on the internet or in a customer's network.

Called by gateway.admin.api. The records are all there is: the reconciler makes the namespace of them.
"""

from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from msgspec.structs import replace

from ringfence.core.arn import make_arn, parse_arn
from ringfence.core.call import Principal
from ringfence.core.errors import ServiceError
from ringfence.core.ids import Entropy, resource_id
from ringfence.core.record import Reader, Writer
from ringfence.gateway.admin.customer_session import find_customer_network
from ringfence.network.addresses import may_be_public_host
from ringfence.network.compile.vpn import compile_vpn_gateways
from ringfence.network.topology import Topology
from ringfence.resources.ec2 import NetworkInterface, Subnet
from ringfence.resources.iam import Role
from ringfence.resources.instance import Instance
from ringfence.services.ec2.network_interface import attach, detach

DEFAULT_PUBLIC_IP = "203.0.113.7"
_OWNER = "session/"


@dataclass(frozen=True, slots=True)
class Wish:
    """Where the command wants to stand. `role`: a role's name or ARN, or None for no credentials.

    `customer_network`: a block behind the virtual private gateway `via`.
    """

    subnet: str | None
    security_groups: tuple[str, ...] = field(default=())
    role: str | None = None
    source_ip: str | None = None
    customer_network: str | None = None
    via: str | None = None


def root_principal(account: str) -> Principal:
    """The account's root user: who `ringfence exec` acts as when it asks for an ENI."""
    return Principal(kind="root", account=account, arn=f"arn:aws:iam::{account}:root", id=account)


def account_for(records: Reader, wish: Wish) -> str | None:
    """The account that a session is in: the subnet's or gateway's, else that of the role's ARN; None if none tells."""
    subnet = records.get(Subnet, wish.subnet) if wish.subnet else None
    if subnet is not None:
        return subnet.account
    if wish.customer_network:
        return find_customer_network(records, wish.customer_network, wish.via)[1].account
    role = parse_arn(wish.role) if wish.role else None
    return role.account if role is not None else None


def instance_for(records: Reader, wish: Wish, account: str, region: str, entropy: Entropy) -> Instance:
    """The Instance record of a session, without its ENI; ServiceError for a role or address that is not there."""
    identifier = resource_id("i", entropy)
    role_arn = _role(records, wish.role, account) if wish.role else None
    instance = Instance(
        id=identifier,
        account=account,
        region=region,
        owner=_OWNER + identifier,
        network="vpc",
        role_arn=role_arn,
        role_session_name=identifier,
        credentials_path=f"/v2/credentials/{entropy(16).hex()}" if role_arn else None,
    )
    if wish.customer_network:
        block, gateway = find_customer_network(records, wish.customer_network, wish.via)
        return replace(instance, network="customer", customer_cidr=block, vpn_gateway_id=gateway.id)
    if wish.subnet:
        return instance
    return replace(instance, network="internet", public_ip=_public_ip(records, wish.source_ip))


def place(records: Writer, instance: Instance, interface_id: str | None, now: datetime, entropy: Entropy) -> Instance:
    """Write the Instance and attach its ENI to it; the record as written."""
    if interface_id is not None:
        attach(records, interface_id, instance.id, now, entropy)
        instance = replace(instance, network_interface_id=interface_id)
    records.put(instance)
    return instance


def is_session(instance: Instance) -> bool:
    """Whether a `ringfence exec` owns it."""
    return instance.owner.startswith(_OWNER)


def remove(records: Writer, instance_id: str) -> None:
    """Take the session's Instance and ENI away; no error if they are gone."""
    instance = records.get(Instance, instance_id)
    if instance is None or not is_session(instance):
        return
    records.delete(instance)
    if instance.network_interface_id and records.get(NetworkInterface, instance.network_interface_id):
        detach(records, instance.network_interface_id)
        interface = records.get(NetworkInterface, instance.network_interface_id)
        if interface is not None:
            records.delete(interface)


def remove_all(records: Writer) -> None:
    """At start: sessions end with the daemon that kept them."""
    for instance in records.all(Instance):
        if is_session(instance):
            remove(records, instance.id)


def describe(applied: Topology, instance: Instance, namespace: Path) -> dict[str, str | None]:
    """What `ringfence exec` has to know (cli.enter.Place), of an instance that is in the applied topology."""
    compiled = applied.instances[instance.id]
    return {
        "instance_id": instance.id,
        "namespace": str(namespace),
        "credentials_uri": instance.credentials_path,
        "network_interface_id": instance.network_interface_id,
        "resolvers": " ".join(compiled.resolvers),
        "search": " ".join(compiled.search) or ".",
        "hostname": compiled.hostname,
        "address": compiled.address,
    }


def _role(records: Reader, role: str, account: str) -> str:
    arn = role if parse_arn(role) else make_arn("iam", "", account, f"role/{role}")
    for record in records.all(Role):
        if record.arn == arn or (record.account == account and record.name == role):
            return record.arn
    raise ServiceError("NoSuchEntity", f"The role with name {role} cannot be found.", 404)


def _public_ip(records: Reader, wanted: str | None) -> str:
    """The wanted public address, or a free one from the default on; every host needs its own."""
    taken = {instance.public_ip for instance in records.all(Instance)}
    taken |= {gateway.public_address for gateway in compile_vpn_gateways(records).values()}
    if wanted is None:
        first = IPv4Address(DEFAULT_PUBLIC_IP)
        return next(str(first + step) for step in range(200) if str(first + step) not in taken)
    try:
        usable = may_be_public_host(str(IPv4Address(wanted)))
    except AddressValueError:
        raise ServiceError("InvalidParameterValue", f"`{wanted}` is not an IPv4 address") from None
    if not usable:
        raise ServiceError(
            "InvalidParameterValue", f"no host on the internet can be `{wanted}`: try {DEFAULT_PUBLIC_IP}"
        )
    if wanted in taken:
        raise ServiceError("InvalidIPAddress.InUse", f"another host has `{wanted}` now: choose another --source-ip")
    return wanted
