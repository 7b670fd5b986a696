"""Changes: every write gets an id, PENDING until the reconciler has seen that the resolvers answer by it."""

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.resources.route53 import DnsChange, DnsChangeStatus
from ringfence.services.route53.lookup import new_id
from ringfence.services.route53.zone_name import bare


def new_change(call: Call, comment: str | None = None) -> Result:
    """Note that this call changes something; its ChangeInfo."""
    made = DnsChange(id=new_id(call, "C"), account=call.account, submitted=call.now, comment=comment)
    call.records.put(made)
    return change_info(call, made)


def change_info(call: Call, change: DnsChange) -> Result:
    told: Result = {
        "Id": f"/change/{change.id}",
        "Status": "PENDING" if call.records.get(DnsChangeStatus, change.id) is None else "INSYNC",
        "SubmittedAt": change.submitted,
    }
    return told if change.comment is None else {**told, "Comment": change.comment}


@operation("GetChange", takes="Id", on=lambda call, request: [f"arn:aws:route53:::change/{bare(request['Id'])}"])
def get_change(call: Call, request: Request) -> Result:
    id = bare(request["Id"])
    change = call.records.get(DnsChange, id)
    if change is None or change.account != call.account:
        raise ServiceError("NoSuchChange", f"Could not find resource with ID: {id}", 404)
    return {"ChangeInfo": change_info(call, change)}
