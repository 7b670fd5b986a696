"""The `ringfence` command: one file a subcommand. A client of the daemon like any other."""
