"""Only calls of the limiter's scripts are counted."""

from tests.benchmarks.rig.limiter_calls import KEY_PREFIX, LimiterCalls
from workers.presence import announce
from workers.redis import connection

SCRIPT = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])"


def test_calls_of_the_limiters_scripts_are_counted():
    script = connection().register_script(SCRIPT)
    script(keys=[f"{KEY_PREFIX}1"], args=["before"])
    with LimiterCalls() as calls:
        for number in range(3):
            script(keys=[f"{KEY_PREFIX}1"], args=[f'{{"a": "{number}"}}'])
        connection().eval(SCRIPT, 1, f"{KEY_PREFIX}2", "not yet loaded")
        announce("somebody", {"slots": 1, "busy": 0})
        script(keys=["another:key"], args=["x"])
        connection().get(f"{KEY_PREFIX}1")
    script(keys=[f"{KEY_PREFIX}1"], args=["after"])
    assert calls.number == 4
