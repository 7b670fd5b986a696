resource "aws_sagemaker_model" "iris" {
  name               = "iris"
  execution_role_arn = aws_iam_role.execution.arn
  primary_container {
    image          = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
    model_data_url = "s3://${aws_s3_object.model.bucket}/${aws_s3_object.model.key}"
    environment    = { SAGEMAKER_PROGRAM = "inference.py" }
  }
  vpc_config {
    subnets            = aws_subnet.private[*].id
    security_group_ids = [aws_security_group.model.id]
  }
  depends_on = [aws_iam_role_policy.rights, aws_vpc_endpoint.s3]
}
resource "aws_sagemaker_endpoint_configuration" "iris" {
  name_prefix = "iris-"
  production_variants {
    variant_name           = "one"
    model_name             = aws_sagemaker_model.iris.name
    initial_instance_count = 1
    instance_type          = "ml.m5.large"
    initial_variant_weight = var.second ? 2 : 1
  }
  lifecycle { create_before_destroy = true }
}
resource "aws_sagemaker_endpoint" "iris" {
  name                 = "iris"
  endpoint_config_name = aws_sagemaker_endpoint_configuration.iris.name
  tags                 = { step = var.second ? "two" : "one" }
}
resource "aws_appautoscaling_target" "iris" {
  min_capacity       = 1
  max_capacity       = 2
  resource_id        = "endpoint/${aws_sagemaker_endpoint.iris.name}/variant/one"
  scalable_dimension = "sagemaker:variant:DesiredInstanceCount"
  service_namespace  = "sagemaker"
}
resource "aws_appautoscaling_policy" "iris" {
  name               = "track"
  policy_type        = "TargetTrackingScaling"
  resource_id        = aws_appautoscaling_target.iris.resource_id
  scalable_dimension = aws_appautoscaling_target.iris.scalable_dimension
  service_namespace  = aws_appautoscaling_target.iris.service_namespace
  target_tracking_scaling_policy_configuration {
    target_value = var.second ? 80 : 70
    predefined_metric_specification { predefined_metric_type = "SageMakerVariantInvocationsPerInstance" }
  }
}
resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "errors"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  threshold           = 5
  namespace           = "AWS/SageMaker"
  metric_name         = "Invocation5XXErrors"
  statistic           = "Sum"
  period              = 60
  dimensions          = { EndpointName = aws_sagemaker_endpoint.iris.name, VariantName = "one" }
}
resource "aws_cloudwatch_log_group" "own" {
  name              = "/own/group"
  retention_in_days = var.second ? 14 : 7
}
resource "aws_ecr_repository" "own" { name = "own" }
resource "aws_sagemaker_endpoint_configuration" "asynchronous" {
  name = "asynchronous"
  production_variants {
    variant_name           = "one"
    model_name             = aws_sagemaker_model.iris.name
    initial_instance_count = 1
    instance_type          = "ml.m5.large"
  }
  async_inference_config {
    output_config { s3_output_path = "s3://${aws_s3_bucket.models.bucket}/answers" }
    client_config { max_concurrent_invocations_per_instance = 2 }
  }
  data_capture_config {
    enable_capture              = true
    initial_sampling_percentage = 100
    destination_s3_uri          = "s3://${aws_s3_bucket.models.bucket}/captured"
    capture_options { capture_mode = "Input" }
  }
}
resource "aws_sagemaker_model" "free" {
  name               = "free"
  execution_role_arn = aws_iam_role.execution.arn
  primary_container { image = aws_sagemaker_model.iris.primary_container[0].image }
}
resource "aws_sagemaker_endpoint_configuration" "serverless" {
  name = "serverless"
  production_variants {
    variant_name = "one"
    model_name   = aws_sagemaker_model.free.name
    serverless_config {
      max_concurrency   = 2
      memory_size_in_mb = 1024
    }
  }
}
