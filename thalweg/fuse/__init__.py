"""A plan in, one pass over memory out."""
