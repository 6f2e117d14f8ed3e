"""Seeded fuzzing of the command line, the Python verbs, stored records and model folders: `make fuzz`, or `python -m tests.fuzz`.

A case is made from its seed, its kind and its number alone, so that `python -m tests.fuzz --seed 7 --only command:12` runs one again.
It fails when something other than `lineal.errors` comes out (from the command line: a traceback, or an exit code that is none of ours),
when a refused run leaves a file behind, or when what is printed or written as a result is not so.
"""
