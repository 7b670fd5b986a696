"""Condition blocks: `operators` compare one value, `condition` applies set qualifiers, IfExists and absent keys."""
