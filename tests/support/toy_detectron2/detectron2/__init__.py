"""A toy with detectron2's names and order of calls; its behavior is this project's own."""

__version__ = "0.6-toy"
