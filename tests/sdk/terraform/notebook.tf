resource "aws_sagemaker_notebook_instance_lifecycle_configuration" "start" {
  name     = "start"
  on_start = base64encode("echo started")
}
resource "aws_sagemaker_notebook_instance" "desk" {
  name                   = "desk"
  role_arn               = aws_iam_role.execution.arn
  instance_type          = var.second ? "ml.t3.large" : "ml.t3.medium"
  subnet_id              = aws_subnet.private[0].id
  security_groups        = [aws_security_group.model.id]
  direct_internet_access = "Disabled"
  lifecycle_config_name  = aws_sagemaker_notebook_instance_lifecycle_configuration.start.name
  depends_on             = [aws_iam_role_policy.rights]
}
