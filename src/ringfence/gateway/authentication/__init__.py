"""Who is calling: signatures of both versions, the body that they cover, AWS's refusals. Read authenticate.py first."""
