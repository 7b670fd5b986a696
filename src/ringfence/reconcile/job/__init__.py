"""Processing, training and transform jobs: their hosts, their data, what they come to."""
