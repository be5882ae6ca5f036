"""What is timed goes on for as many blocks as are asked for."""

import pytest

from benchmarks import timing, workloads
from benchmarks.timing import Blocks


@pytest.mark.parametrize("make", [workloads.scalar, workloads.parallel])
def test_steps_of_a_single_world_go_on_beyond_an_episode(make, monkeypatch):
    """A machine may take more steps in a few blocks than the episode has."""
    monkeypatch.setattr(workloads, "LONG", 300)
    monkeypatch.setattr(timing, "BLOCK_SECONDS", 10.0)
    blocks = Blocks(make("XLMIMOPower-v0"))
    assert all(blocks.time() > 0 for _ in range(3))
