"""Several methods on many texts."""
