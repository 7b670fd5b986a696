"""Every socket that the daemon holds inside namespaces."""

from collections.abc import Iterable, Iterator

from ringfence.network import addresses
from ringfence.network.topology import PublicService
from ringfence.network.topology.endpoint import Endpoint
from ringfence.network.topology.instance import INTERNET, PLATFORM, Instance
from ringfence.network.topology.listener import Listener, ListenerKind, Vantage
from ringfence.network.topology.vpc import Vpc

# What speaks for a service, if not the API.
_KINDS: dict[str, ListenerKind] = {"studio": "studio", "notebook": "notebook"}


def compile_listeners(
    vpcs: Iterable[Vpc], instances: Iterable[Instance], services: tuple[PublicService, ...]
) -> tuple[Listener, ...]:
    """All of them; names are unique."""
    found = [*_outside(services)]
    for vpc in vpcs:
        found += _resolvers(vpc)
        for endpoint in vpc.endpoints.values():
            found += _gateway(vpc, endpoint, services) if endpoint.kind == "Gateway" else _interface(vpc, endpoint)
    return (*found, *_credentials(instances))


def _outside(services: tuple[PublicService, ...]) -> Iterator[Listener]:
    for service in services:
        yield from _serve(f"internet/{service.service}/{service.region}", INTERNET, service)
    for port, tls in ((80, False), (443, True)):
        yield Listener(
            f"internet/example/{port}",
            INTERNET,
            addresses.EXAMPLE_ADDRESS,
            port,
            "web",
            tls,
            server_names=addresses.EXAMPLE_NAMES,
        )
    for where, address in ((INTERNET, addresses.PUBLIC_RESOLVER), (PLATFORM, addresses.PLATFORM_RESOLVER)):
        vantage = Vantage("internet" if where == INTERNET else "platform")
        yield Listener(f"{where}/resolver", where, address, 53, "dns", vantage=vantage)


def _serve(
    name: str, namespace: str, service: PublicService, vpc_id: str | None = None, vpce_id: str | None = None
) -> Iterator[Listener]:
    for port in service.ports:
        yield Listener(
            f"{name}/{port}",
            namespace,
            service.address,
            port,
            _KINDS.get(service.service, "api"),
            tls=port == 443,
            vpc_id=vpc_id,
            vpce_id=vpce_id,
            server_names=service.names,
            region=service.region,
        )


def _resolvers(vpc: Vpc) -> Iterator[Listener]:
    if vpc.dns_support:
        for address in vpc.resolvers:
            yield Listener(
                f"{vpc.id}/resolver/{address}",
                vpc.id,
                address,
                53,
                "dns",
                vpc_id=vpc.id,
                vantage=Vantage("vpc", vpc.id),
            )


def _gateway(vpc: Vpc, endpoint: Endpoint, services: tuple[PublicService, ...]) -> Iterator[Listener]:
    for service in services:
        if service.service == endpoint.service and service.region == endpoint.region:
            yield from _serve(endpoint.id, endpoint.id, service, vpc.id, endpoint.id)


def _interface(vpc: Vpc, endpoint: Endpoint) -> Iterator[Listener]:
    facts = addresses.service_facts(endpoint.service)
    if facts is None:
        return
    # INVARIANT: a listener does not change when the endpoint gets or loses a subnet: its connections would be cut
    names = (*(name.format(r=endpoint.region) for name in facts.private_names), endpoint.regional_name)
    for interface_id in endpoint.interface_ids:
        yield Listener(
            f"{endpoint.id}/{interface_id}",
            endpoint.id,
            vpc.interfaces[interface_id].address,
            443,
            _KINDS.get(facts.service, "api"),
            tls=True,
            vpc_id=vpc.id,
            vpce_id=endpoint.id,
            server_names=names,
            region=endpoint.region,
        )


def _credentials(instances: Iterable[Instance]) -> Iterator[Listener]:
    for instance in instances:
        if instance.credentials:
            yield Listener(
                f"{instance.id}/credentials",
                instance.id,
                addresses.CREDENTIALS_ADDRESS,
                80,
                "credentials",
                vpc_id=instance.vpc_id,
                instance_id=instance.id,
            )
