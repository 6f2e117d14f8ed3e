"""Pictures of a record: page, notebook, terminal. Works from the record alone; knows nothing about torch, models or the network."""

from lineal.views.bars import Bar, bars
from lineal.views.cells import By, Cell, cells
from lineal.views.html import fragment, page
from lineal.views.summary import Badge, Piece, badge, sentence, spoken
from lineal.views.terminal import render, to_text

__all__ = [
    "Badge",
    "Bar",
    "By",
    "Cell",
    "Piece",
    "badge",
    "bars",
    "cells",
    "fragment",
    "page",
    "render",
    "sentence",
    "spoken",
    "to_text",
]
