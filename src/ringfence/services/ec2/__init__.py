"""EC2's VPC family. One file a noun; `operation`, `noun`, `listing`, `tagging`, `cidr` and `quota` serve them all."""
