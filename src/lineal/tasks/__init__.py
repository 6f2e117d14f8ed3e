"""Whole tasks on top of the public verbs: data in, prompts, records out."""
