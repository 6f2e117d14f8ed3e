"""The command `lineal`: parse, one library call, one view. No arithmetic."""
