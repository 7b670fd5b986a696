"""May the caller do this: policies and condition keys gathered, the decision kept. Read authorize.py first."""
