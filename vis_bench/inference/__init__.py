"""From videos to tracks: a method and a video enter, tracks with one mask per frame leave.

In the order of the data: `checkpoint` reads the method's weights, `clips` cuts a video, `prefetch`
decodes frames ahead, `preprocess` makes them the network's input, `loop` runs the method clip by
clip (the timed part), `tracker` and `image_instances` join the clips, `encode` turns masks into
run-length codes. `compiled` speeds a method up, `stages` times its parts, `attention` records it.
"""
