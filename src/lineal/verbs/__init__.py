"""What a user asks for: the public functions, from text and options to a record."""
