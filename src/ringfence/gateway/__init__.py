"""The API on sockets: HTTP, routing, authentication, authorization, handlers called. Read serve.py first."""
