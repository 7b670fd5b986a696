"""Feature groups and their offline store."""
