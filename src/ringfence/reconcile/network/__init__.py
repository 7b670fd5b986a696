"""What has a status of its own in a VPC: endpoints, gateways, peerings, flow logs, analyses."""
