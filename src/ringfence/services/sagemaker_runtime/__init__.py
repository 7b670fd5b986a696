"""The SageMaker runtime: invocations of hosted models. One file a way of asking; `invocation` is what they share."""
