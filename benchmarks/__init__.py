"""Measurements behind the figures of the documents, each a command that anybody can run."""
