"""Endpoints: their instances, deployments, what is captured, queued and scaled."""
