"""What a notebook instance's FailureReason says. Written by `reconcile` when it has happened."""


def script_too_long(config_arn: str, arn: str) -> str:
    """https://github.com/aws-samples/amazon-sagemaker-optuna-hpo-blog/issues/4"""
    return f"{_of(config_arn, arn)} took longer than 5 minutes. {_SEE}"


def script_failed(config_arn: str, arn: str) -> str:
    """Ours, in the style of the other."""
    return f"{_of(config_arn, arn)} failed. {_SEE}"


def is_of_script(reason: str) -> bool:
    """Whether it is one of those, about which the log says more."""
    return reason.endswith(_SEE)


LOG_GROUP = "/aws/sagemaker/NotebookInstances"
_SEE = "Please check your CloudWatch logs for more details if your Notebook Instance has Internet access."


def _of(config_arn: str, arn: str) -> str:
    return f"Notebook Instance Lifecycle Config '{config_arn}' for Notebook Instance '{arn}'"
