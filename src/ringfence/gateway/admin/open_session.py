"""Opens a session: the records of its instance, and its ENI by EC2's own operation.

Called by gateway.admin.api and answer_live.
"""

from ringfence.core.call import Request
from ringfence.gateway.admin import session
from ringfence.gateway.admin.running import Running
from ringfence.resources.instance import Instance


def open_session(app: Running, wish: session.Wish) -> Instance:
    """The records of a new session; an ENI that was made for nothing is taken away again."""
    before, region = app.store.snapshot(), app.config.region
    account = session.account_for(before, wish) or app.config.account
    instance = session.instance_for(before, wish, account, region, app.entropy)
    if instance.role_arn is not None:
        app.assume(instance.role_arn, instance.role_session_name)
    interface_id = _create_interface(app, wish, account) if wish.subnet else None
    with app.store.transaction() as records:
        return session.place(records, instance, interface_id, app.now(), app.entropy)


def _create_interface(app: Running, wish: session.Wish, account: str) -> str:
    request: Request = {"SubnetId": wish.subnet, "Description": "ringfence exec"}
    if wish.security_groups:
        request["Groups"] = list(wish.security_groups)
    made = app.call(session.root_principal(account), "ec2", "CreateNetworkInterface", request)
    identifier: str = made["NetworkInterface"]["NetworkInterfaceId"]
    return identifier
