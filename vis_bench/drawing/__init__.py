"""What people look at: masks over frames.

In: results files, frames, annotations where there are any. Out: pictures and animations, a few
per video. Pillow and numpy draw; nothing here runs a method.

`frame_files` finds the frames and reads them, `frame_source` has those that are not files,
`track_set` what is drawn of a results file. `same_object` gives one object one color in every row;
`verdicts`, `identity_switches` and `object_timelines` say what annotations reveal. `colors`,
`mask_overlay`, `label_layout` and `chips` are the parts of a picture;
`frame` draws one, `panel_grid` lays several out, `strip` and `animation` do so for a video.
`overlays` goes over the videos and writes the files; `drawn_inputs` reads what the command `draw`
is given, and `predictions` draws what the command `predict` wrote.
"""
