"""Lifecycle configurations of notebook instances: shell scripts that run as root at the creation and at each start.

https://docs.aws.amazon.com/sagemaker/latest/dg/notebook-lifecycle-config.html
"""

import base64
import binascii

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags
from ringfence.resources.notebook import NotebookInstance, NotebookLifecycleConfig
from ringfence.services.sagemaker.listing import filtered, owned, sorted_page
from ringfence.services.sagemaker.lookup import arn_of
from ringfence.services.sagemaker.refusal import invalid
from ringfence.services.sagemaker.studio import with_token
from ringfence.services.sagemaker.tag import read_tags, tagging_action, tagging_resources

_NAME = "NotebookInstanceLifecycleConfigName"
_ON = "notebook-instance-lifecycle-config/{NotebookInstanceLifecycleConfigName}"
_HOOKS = {"OnCreate": "on_create", "OnStart": "on_start"}


@operation(
    "CreateNotebookInstanceLifecycleConfig",
    on=(_ON,),
    keys=tagging_action("CreateNotebookInstanceLifecycleConfig"),
    also=(("sagemaker:AddTags", tagging_resources(_ON)),),
    takes=f"{_NAME} OnCreate OnStart Tags",
)
def create_notebook_instance_lifecycle_config(call: Call, request: Request) -> Result:
    name = request[_NAME]
    arn = arn_of(call, NotebookLifecycleConfig, name)
    if call.records.get(NotebookLifecycleConfig, call.scoped(name)) is not None:
        # as other implementations of this API have it
        raise invalid(
            f"Unable to create Notebook Instance Lifecycle Config {arn}. (Details: Notebook Instance Lifecycle Config "
            "already exists.)"
        )
    tags = read_tags(request)
    made = NotebookLifecycleConfig(
        name=name,
        account=call.account,
        region=call.region,
        arn=arn,
        created=call.now,
        modified=call.now,
        **_scripts(request),
    )
    call.records.put(made)
    set_tags(call.records, arn, tags)
    return {"NotebookInstanceLifecycleConfigArn": arn}


@operation("DescribeNotebookInstanceLifecycleConfig", on=(_ON,), takes=_NAME)
def describe_notebook_instance_lifecycle_config(call: Call, request: Request) -> Result:
    found = find_lifecycle_config(call, request[_NAME], "describe")
    hooks = {hook: getattr(found, field) for hook, field in _HOOKS.items()}
    return {**_summary(found), **{hook: [{"Content": text}] for hook, text in hooks.items() if text is not None}}


@operation("UpdateNotebookInstanceLifecycleConfig", on=(_ON,), takes=f"{_NAME} OnCreate OnStart")
def update_notebook_instance_lifecycle_config(call: Call, request: Request) -> Result:
    """ "Updates affect all notebook instances using that configuration upon their next start"; a hook that is not
    named stays, one without a script goes."""
    found = find_lifecycle_config(call, request[_NAME], "update")
    call.records.put(msgspec.structs.replace(found, modified=call.now, **_scripts(request)))
    return {}


@operation("DeleteNotebookInstanceLifecycleConfig", on=(_ON,), takes=_NAME)
def delete_notebook_instance_lifecycle_config(call: Call, request: Request) -> Result:
    """Refused while a notebook instance names it."""
    found = find_lifecycle_config(call, request[_NAME], "delete")
    for notebook in owned(call, NotebookInstance):
        if notebook.lifecycle_config == found.name:
            raise _unable("delete", found.arn, f"is in use by the Notebook Instance {notebook.arn}")
    call.records.delete(found)
    drop_tags(call.records, found.arn)
    return {}


@operation(
    "ListNotebookInstanceLifecycleConfigs",
    takes="NextToken MaxResults SortBy SortOrder NameContains CreationTimeBefore CreationTimeAfter "
    "LastModifiedTimeBefore LastModifiedTimeAfter",
)
def list_notebook_instance_lifecycle_configs(call: Call, request: Request) -> Result:
    found = filtered(owned(call, NotebookLifecycleConfig), request, lambda one: one.modified)
    configs, token = sorted_page(found, request, lambda one: f"{one.modified.timestamp():020.6f}")
    return with_token("NotebookInstanceLifecycleConfigs", [_summary(one) for one in configs], token)


def find_lifecycle_config(call: Call, name: str, verb: str) -> NotebookLifecycleConfig:
    found = call.records.get(NotebookLifecycleConfig, call.scoped(name))
    if found is None:
        raise _unable(verb, arn_of(call, NotebookLifecycleConfig, name), "does not exist")
    return found


def _unable(verb: str, arn: str, why: str) -> ServiceError:
    """As other implementations of this API have it; of what is in use the end is ours."""
    return invalid(
        f"Unable to {verb} Notebook Instance Lifecycle Config '{arn}'. (Details: Notebook Instance Lifecycle Config "
        f"{why}.)"
    )


def _scripts(request: Request) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for hook, field in _HOOKS.items():
        if hook not in request:
            continue
        content = request[hook][0].get("Content") if request[hook] else None
        try:
            base64.b64decode(content or "", validate=True)
        except (binascii.Error, ValueError):
            # "The shell script must be a base64-encoded string"; the text is ours
            raise invalid(f"The Content of {hook} must be base64 encoded.") from None
        found[field] = content
    return found


def _summary(found: NotebookLifecycleConfig) -> Result:
    return {
        "NotebookInstanceLifecycleConfigName": found.name,
        "NotebookInstanceLifecycleConfigArn": found.arn,
        "CreationTime": found.created,
        "LastModifiedTime": found.modified,
    }
