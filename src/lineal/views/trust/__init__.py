"""What an examination of one explanation found."""
