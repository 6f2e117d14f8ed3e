"""The summary of many verdicts: how true statements sound to a model, and why."""
