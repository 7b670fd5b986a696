# What people deploy of SageMaker in a private VPC, written as for AWS. Run by ../test_terraform.py, which sets `second`
# for the change in place.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {}
data "aws_availability_zones" "all" {}
data "aws_caller_identity" "me" {}
data "aws_region" "here" {}

variable "archive" { type = string }
variable "second" {
  type    = bool
  default = false
}
