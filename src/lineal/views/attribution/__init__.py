"""An explanation of one text, or of the steps of a generation."""
