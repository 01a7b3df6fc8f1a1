"""Masks over frames: strips, animations, and the tracks that figures of papers show.

`track_set` selects the tracks of a video. `same_object` gives one object one color in every row;
`verdicts`, `identity_switches` and `object_timelines` compare tracks with annotations. `frame`
draws one picture from `colors`, `mask_overlay`, `label_layout` and `chips`; `strip` and `animation`
lay out a video, and `overlays` writes the files of all videos. `shown_tracks` chooses the tracks of
a recorded video. Nothing here runs a method.
"""
