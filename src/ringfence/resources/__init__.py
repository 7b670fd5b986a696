"""Nouns that more than one layer reads: frozen records, no behaviour. One file a service."""
