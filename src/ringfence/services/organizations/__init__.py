"""Organizations: accounts, units and control policies. What the policies mean is `ringfence.iam`'s."""
