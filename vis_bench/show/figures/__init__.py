"""Figures of papers: attention, failure cases, strips of several methods."""
