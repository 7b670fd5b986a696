"""What hosting a model in its VPC needs, one concern a file: each takes the ground and the plan and gives findings."""
