"""`python -m lineal` is the command `lineal`."""

from lineal.cli.main import main

main()
