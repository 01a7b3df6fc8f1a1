"""Masks in COCO's encodings: checked, measured, and converted from arrays and polygons.

Arrays come from a model, JSON from a file (anything at all); compressed RLE that pycocotools can
be trusted with leaves.

Files: `rle` encodes, decodes and checks single masks, `polygons` rasterizes outlines, `run_lengths`
checks and measures thousands of strings at once, `tubes` does so for the masks of objects over
time.
"""
