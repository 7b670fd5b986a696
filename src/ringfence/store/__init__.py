"""Records on disk: the only SQL. `database.open_store` gives the Store that everything shares."""
