"""Several methods on one text."""
