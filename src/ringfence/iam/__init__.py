"""The policy engine, pure: policies and a request in, one explained decision out. Read evaluate.py first."""
