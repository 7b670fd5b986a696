"""What every service file imports: operations, calls, errors, ARNs, ids, listings. Imports nothing of ours."""
