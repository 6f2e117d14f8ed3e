"""Lineal in a browser: every question as a form, an API beside it, one queue behind both. Needs the extra `web`."""
