"""Which words act together."""
