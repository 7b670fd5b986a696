resource "aws_sagemaker_feature_group" "people" {
  feature_group_name             = "people"
  record_identifier_feature_name = "id"
  event_time_feature_name        = "at"
  role_arn                       = aws_iam_role.execution.arn
  feature_definition {
    feature_name = "id"
    feature_type = "String"
  }
  feature_definition {
    feature_name = "at"
    feature_type = "Fractional"
  }
  online_store_config { enable_online_store = true }
}
