"""Masks drawn over frames: strips, animations and single frames of a video's tracks.

`tracks` selects the tracks and objects of a video, matches and judges them; `timelines` follows
them frame by frame; `rows` decides how each is drawn. `painting`, `label_box` and `frame` draw one
frame, `strip` lays several out, `overlays` writes the files of the command `draw`.
"""
