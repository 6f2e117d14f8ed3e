"""Pictures of a record: page, notebook, terminal, figures, tables. Works from the record alone, without torch or network."""

from lineal.views.attribution.page import page, repr_html
from lineal.views.attribution.plot import plot_bars, plot_heat
from lineal.views.attribution.table import to_csv, to_dataframe, to_markdown
from lineal.views.attribution.terminal import render, to_text
from lineal.views.attribution.words import Badge, badge, sentence
from lineal.views.comparison.page import comparison_page
from lineal.views.formats import endings, save
from lineal.views.interactions.page import interactions_page
from lineal.views.interactions.plot import plot_interactions
from lineal.views.interactions.terminal import render_interactions
from lineal.views.media.plot import save_plot
from lineal.views.pair.page import matches_page, pair_page
from lineal.views.pair.plot import plot_alignment, plot_pair
from lineal.views.pair.terminal import render_matches, render_pair
from lineal.views.parts.bars import Bar, bars
from lineal.views.parts.cells import By, Cell, cells
from lineal.views.parts.words import Piece, spoken
from lineal.views.sides.page import sides_page
from lineal.views.sides.plot import plot_sides
from lineal.views.sides.terminal import render_sides
from lineal.views.sides.words import has_sides
from lineal.views.trust.page import trust_panel, trust_text
from lineal.views.verdicts.page import Tally, tally, verdicts_page

__all__ = [
    "Badge",
    "Bar",
    "By",
    "Cell",
    "Piece",
    "Tally",
    "badge",
    "bars",
    "cells",
    "comparison_page",
    "endings",
    "has_sides",
    "interactions_page",
    "matches_page",
    "page",
    "pair_page",
    "plot_alignment",
    "plot_bars",
    "plot_heat",
    "plot_interactions",
    "plot_pair",
    "plot_sides",
    "render",
    "render_interactions",
    "render_matches",
    "render_pair",
    "render_sides",
    "repr_html",
    "save",
    "save_plot",
    "sentence",
    "sides_page",
    "spoken",
    "tally",
    "to_csv",
    "to_dataframe",
    "to_markdown",
    "to_text",
    "trust_panel",
    "trust_text",
    "verdicts_page",
]
