"""IAM: users, access keys, roles and policies. One file a noun; authorization itself is `ringfence.iam`'s."""
