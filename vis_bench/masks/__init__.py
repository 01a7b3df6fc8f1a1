"""Masks in COCO's encodings: arrays, RLE and polygons to each other, checked, and measured.

What enters comes from a model (boolean arrays) or from a JSON file (anything at all); what leaves
is compressed RLE that pycocotools can be trusted with, areas, and shared pixels.

Files: `rle` encodes, decodes and checks single masks, `polygons` rasterizes outlines, `run_lengths`
checks and measures thousands of strings at once, `tubes` does so for the masks of objects over
time, `intersection` counts the pixels that masks share.
"""
