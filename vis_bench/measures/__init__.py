"""Measurements, a folder each."""
