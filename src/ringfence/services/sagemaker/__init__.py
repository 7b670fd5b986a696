"""The `sagemaker` service, one file per noun. Handlers write what the user wants; `reconcile` makes it so."""
