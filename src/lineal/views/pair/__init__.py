"""Two texts and the matrix between them."""
