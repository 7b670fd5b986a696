"""The sockets that the daemon must hold inside namespaces, and where who asks for a name stands."""

from dataclasses import dataclass
from typing import Literal

ListenerKind = Literal["api", "studio", "notebook", "dns", "credentials", "web"]


@dataclass(frozen=True, slots=True)
class Vantage:
    """Where somebody stands who asks for a name: in a VPC (and subnet), in SageMaker's own network, or outside."""

    kind: Literal["vpc", "platform", "internet"]
    vpc_id: str | None = None
    subnet_id: str | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """One socket that the daemon must hold inside a namespace. `name` is unique and stable.

    `kind`: api (HTTP to the gateway; TLS on 443), studio and notebook (in the browser), dns (both UDP and TCP),
    credentials, web (the test host of the internet). `vpc_id` and `vpce_id` stamp the Arrival of what comes in here.
    `server_names`: which names lead here (leading `*.` for one label), the first for clients that name none; `region`
    is that of the service behind.
    """

    name: str
    namespace: str
    address: str
    port: int
    kind: ListenerKind
    tls: bool = False
    vpc_id: str | None = None
    vpce_id: str | None = None
    instance_id: str | None = None
    vantage: Vantage | None = None
    server_names: tuple[str, ...] = ()
    region: str | None = None
