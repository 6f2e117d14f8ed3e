"""The summary of a run over choice prompts."""
