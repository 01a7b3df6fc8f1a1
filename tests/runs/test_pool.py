"""The pool asks workers that are up; a stand-in for Ray, whose nodes die as the tests want."""

from types import SimpleNamespace

import pytest

from vis_bench.runs.ray import pool
from vis_bench.runs.ray.cluster import ClusterSettings
from vis_bench.runs.ray.pool import Pool, Refused


class Worker:
    def ready(self):
        return None

    def measure_cost(self, jobs):
        return f"record of {jobs[0]}"


class Ray:
    """Actors are numbers: those of `gone` never answer; calls of `mortal` raise, `deaths` times."""

    exceptions = SimpleNamespace(RayError=RuntimeError)

    def __init__(self, gone=(), mortal=None, deaths=0):
        self.gone, self.mortal, self.deaths = gone, mortal, deaths
        self.asked, self.actors = [], 0

    def put(self, value):
        return value

    def remote(self, **resources):
        return lambda kind: SimpleNamespace(remote=lambda *args: self.actor())

    def actor(self):
        number, self.actors = self.actors, self.actors + 1

        def method(name):
            def call(*args):
                self.asked.append((number, name))
                return number, name, args

            return SimpleNamespace(remote=call)

        return SimpleNamespace(ready=method("ready"), measure_cost=method("measure_cost"))

    def wait(self, calls, timeout):
        return [call for call in calls if call[0] not in self.gone][:1], None

    def get(self, call):
        number, name, args = call
        assert number not in self.gone, "this would wait for ever"
        if number == self.mortal and self.deaths:
            self.deaths -= 1
            raise RuntimeError("died")
        return getattr(Worker(), name)(*map(list, args))


def measured(ray):
    return Pool(ray, ClusterSettings(workers=2), {"a": "job"}, Worker).measure_cost("a")


@pytest.mark.parametrize("gone", [0, 1])
def test_cost_is_measured_by_a_worker_whose_node_is_there(gone):
    ray = Ray(gone={gone})
    assert measured(ray) == "record of job"
    assert ray.asked[-1] == (1 - gone, "measure_cost")


def test_a_worker_that_died_is_asked_again():
    assert measured(Ray(gone={1}, mortal=0, deaths=2)) == "record of job"


def test_without_any_worker_the_wait_ends(monkeypatch):
    monkeypatch.setattr(pool, "LOST_SECONDS", 0.01)
    assert isinstance(measured(Ray(gone={0, 1})), Refused)
