"""Makes the machine agree with the records and says what it saw: the sole writer of statuses. Called by `app`."""
