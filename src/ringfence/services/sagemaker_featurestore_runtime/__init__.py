"""Feature Store's runtime: the records of feature groups, put, read and deleted."""
