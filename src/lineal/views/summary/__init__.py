"""What many explanations say together."""
