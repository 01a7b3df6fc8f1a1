"""From videos to tracks: a method and a video enter, tracks with one mask per frame leave.

Files, in the order of the data: `method` is the interface that every method implements and
`method_contract` the check that it does, `checkpoint` reads its weights, `clips` cuts a video,
`prefetch` decodes frames ahead, `preprocess` makes them the network's input, `loop` runs the method
clip by clip (this is what is timed), `tracker` joins the clips, `stages` says where the time goes.

`attention` is the optional part of the interface, for methods that record what their attention
read, `recording_contract` its check, and `recorded_video` predicts a video with it.
"""
