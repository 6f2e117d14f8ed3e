"""Two texts whose tokens have scores of their own."""
