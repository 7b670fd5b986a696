"""A call of sagemaker-runtime after its commit: the container asked, its reply passed on, measured, mirrored."""
