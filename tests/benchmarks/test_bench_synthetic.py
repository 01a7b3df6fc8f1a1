"""Speed of drawing synthetic videos; run with --benchmark-only."""

from vis_bench.data.synthetic import VideoKey, render, scene_of


def test_drawing_videos(benchmark):
    """Scenes and all their frames with owners: what training on the fly draws."""

    def draw():
        frames = 0
        scene_of.cache_clear()
        for index in range(4):
            scene = scene_of(VideoKey("train", index))
            for t in range(scene.length):
                render(scene, t)
            frames += scene.length
        return frames

    benchmark.extra_info["frames"] = benchmark(draw)
