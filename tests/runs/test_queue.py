"""The queue of shards: nothing is lost, and a video that always fails takes no other with it."""

from hypothesis import given
from hypothesis import strategies as st

from vis_bench.runs.ray.pool import ShardQueue
from vis_bench.runs.shards import Shard


def shards_of(count, size):
    return [Shard("d", tuple(range(at, min(at + size, count)))) for at in range(0, count, size)]


@given(
    st.integers(1, 20), st.integers(1, 5), st.integers(0, 3), st.sets(st.integers(0, 19)),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_every_video_is_inferred_or_given_up(count, size, retries, poisonous, rng):
    """Poisonous videos always fail; others fail now and then, but never more than `retries`."""
    queue, inferred, failures, alone = ShardQueue(shards_of(count, size), retries), [], {}, {}
    while queue:
        shard = queue.take()
        single = len(shard.video_ids) == 1
        for video in shard.video_ids if single else ():
            alone[video] = alone.get(video, 0) + 1
        may_fail = not single or failures.get(shard, 0) < retries
        if poisonous & set(shard.video_ids) or (may_fail and rng.random() < 0.3):
            failures[shard] = failures.get(shard, 0) + 1
            queue.failed(shard, "it broke")
        else:
            inferred += shard.video_ids
    lost = {video for _, video in queue.given_up}
    assert lost == poisonous & set(range(count))
    assert sorted([*inferred, *lost]) == list(range(count))
    assert all(alone[video] == retries + 1 for video in lost)
    assert set(queue.given_up.values()) <= {"it broke"}
