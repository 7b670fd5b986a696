"""The main job as a story: a model hosted in a private VPC, called through PrivateLink. Run by `make demo`."""
