"""The network as a model, pure: compiled from records, asked for paths and names. Read topology/__init__.py first."""
