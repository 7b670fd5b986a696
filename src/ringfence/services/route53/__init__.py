"""Route 53: hosted zones and resource record sets. What their names answer, `network.resolve` says."""
