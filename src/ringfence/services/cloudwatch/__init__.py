"""CloudWatch: metrics, their statistics, alarms. One file a noun. Logs are another service, `logs`."""
