"""A benchmark and evaluation harness for video instance segmentation."""
