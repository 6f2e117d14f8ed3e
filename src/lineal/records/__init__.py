"""What is kept: frozen, complete, readable without torch."""
