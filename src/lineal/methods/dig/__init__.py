"""Discretized Integrated Gradients (Sanyal & Ren, EMNLP 2021): paths over real words."""
