"""CreatePresignedNotebookInstanceUrl: a URL that opens a notebook instance, from where its maker's policies allow.

Not what opens it: `gateway.browser.notebook`, which asks these policies again at every request and frame.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedNotebookInstanceUrl.html
"""

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.resources.notebook import NotebookInstance, NotebookUrl
from ringfence.services.sagemaker.lookup import find
from ringfence.services.sagemaker.notebook_state import notebook_state
from ringfence.services.sagemaker.presigned_url import SESSION_SECONDS, make_token, opens_until
from ringfence.services.sagemaker.refusal import invalid


@operation(
    "CreatePresignedNotebookInstanceUrl",
    on=("notebook-instance/{NotebookInstanceName}",),
    takes="NotebookInstanceName SessionExpirationDurationInSeconds",
)
def create_presigned_notebook_instance_url(call: Call, request: Request) -> Result:
    notebook = find(call, NotebookInstance, request["NotebookInstanceName"])
    state = notebook_state(call.records, notebook)
    if state != "InService":
        # ours, in the style of the other operations
        raise invalid(
            f"Status ({state}) not in ([InService]). Unable to create a presigned URL for Notebook Instance "
            f"({notebook.arn})"
        )
    token, digest = make_token(call)
    call.records.put(
        NotebookUrl(
            digest=digest,
            account=notebook.account,
            region=notebook.region,
            principal=call.principal,
            opens_until=opens_until(call),
            seconds=request.get("SessionExpirationDurationInSeconds", SESSION_SECONDS),
            notebook=notebook.arn,
            volume_id=notebook.volume_id,
        )
    )
    return {"AuthorizedUrl": f"https://{notebook.domain}?authToken={token}"}
