"""What the `ringfence` command asks of the daemon. Not an AWS API. Read api.py first."""
