resource "aws_sagemaker_domain" "team" {
  domain_name             = "team"
  auth_mode               = "IAM"
  vpc_id                  = aws_vpc.main.id
  subnet_ids              = aws_subnet.private[*].id
  app_network_access_type = "VpcOnly"
  default_user_settings {
    execution_role  = aws_iam_role.execution.arn
    security_groups = var.second ? [aws_security_group.model.id, aws_security_group.endpoint.id] : [aws_security_group.model.id]
  }
  default_space_settings { execution_role = aws_iam_role.execution.arn }
  retention_policy { home_efs_file_system = "Delete" }
  depends_on = [aws_iam_role_policy.rights]
}
resource "aws_sagemaker_user_profile" "ada" {
  domain_id         = aws_sagemaker_domain.team.id
  user_profile_name = "ada"
  tags              = { step = var.second ? "two" : "one" }
}
resource "aws_sagemaker_space" "lab" {
  domain_id  = aws_sagemaker_domain.team.id
  space_name = "lab"
  space_settings {
    app_type = "JupyterLab"
    space_storage_settings {
      ebs_storage_settings { ebs_volume_size_in_gb = 5 }
    }
  }
  ownership_settings { owner_user_profile_name = aws_sagemaker_user_profile.ada.user_profile_name }
  space_sharing_settings { sharing_type = "Private" }
}

resource "aws_sagemaker_studio_lifecycle_config" "lab" {
  studio_lifecycle_config_name     = "lab"
  studio_lifecycle_config_app_type = "JupyterLab"
  studio_lifecycle_config_content  = base64encode("echo started")
}
resource "aws_sagemaker_app" "lab" {
  domain_id  = aws_sagemaker_domain.team.id
  space_name = aws_sagemaker_space.lab.space_name
  app_name   = "default"
  app_type   = "JupyterLab"
  resource_spec { instance_type = "ml.t3.medium" }
}
