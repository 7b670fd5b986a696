"""Domains and their apps."""
