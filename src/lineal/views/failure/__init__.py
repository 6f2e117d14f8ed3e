"""Why one text of many has no explanation."""
