"""CloudWatch Logs: groups, streams, events. One file a noun."""
