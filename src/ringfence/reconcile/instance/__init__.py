"""What endpoints, jobs and Studio share: the launch of an instance, its interface, image, way to S3, logs, metrics."""
