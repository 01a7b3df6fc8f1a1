"""What people look at: masks over frames, and the figures of papers.

In: results files, frames, annotations where there are any; for figures of attention what a method
recorded. Out: pictures and animations, a few per video. Pillow and numpy draw the masks, matplotlib
draws what lies on and beside them in figures. Nothing here runs a method.

`frame_files` finds the frames and reads them, `frame_source` has those that are not files,
`track_set` what is drawn of a results file. `same_object` gives one object one color in every row;
`verdicts`, `identity_switches` and `object_timelines` say what annotations reveal. `colors`,
`mask_overlay`, `label_layout` and `chips` are the parts of a picture;
`frame` draws one, `panel_grid` lays several out, `strip` and `animation` do so for a video.
`overlays` goes over the videos and writes the files; `drawn_inputs` reads what the command `draw`
is given, and `predictions` draws what the command `predict` wrote.

A figure each: `sampling_points`, `time_weights`, `memory_tokens`, `failure_cases` (of what
`failure_inputs` reads) and `method_strip`. `shown_tracks` chooses the tracks of a recorded video,
`figure_page` is the page that a figure is laid out on, in one of `figure_formats`.
"""
