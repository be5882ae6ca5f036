"""Configurations are put together from parts: each explains and checks its own fields, and users see one flat thing."""

import inspect
import pickle
import re
from collections import Counter
from dataclasses import FrozenInstanceError, dataclass, fields, replace

import gymnasium as gym
import pytest

from cfenvs.cell_free import RECEIVERS, CellFreeConfig
from cfenvs.cell_free.simulator import CellFreeSimulator
from cfenvs.core.config import Part, paged, require_number
from cfenvs.power import config as power
from cfenvs.xl_mimo import XLMIMOConfig

CONFIGS = [CellFreeConfig, XLMIMOConfig]


def explained(page):
    """Fields that the entries of a page name."""
    entries = re.findall(r"^(\w+(?:, \w+)*) : ", inspect.cleandoc(page), re.MULTILINE)
    return Counter(name for entry in entries for name in entry.split(", "))


def parts_of(config):
    return [part for part in config.__mro__ if issubclass(part, Part) and part not in (config, Part)]


def says(part, name):
    return name in vars(part).get("__annotations__", {})


@pytest.mark.parametrize("config", CONFIGS)
def test_every_field_is_explained_once_where_it_is_declared(config):
    assert explained(config.__doc__) == Counter(field.name for field in fields(config))
    for part in parts_of(config):
        own = [field.name for field in fields(part) if says(part, field.name)]
        new = [name for name in own if not any(says(base, name) for base in part.__mro__[1:])]
        assert explained(part.__doc__) == Counter(new), part


@pytest.mark.parametrize("config", CONFIGS)
def test_a_part_alone_says_what_is_wrong_with_its_fields(config):
    for part in parts_of(config):
        with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
            part(colour="red")
    assert [part for part in parts_of(config) if part.__name__ == "Episodes"] == [power.Episodes]
    with pytest.raises(ValueError, match="episode_length=0: must be an integer, at least 1"):
        power.Episodes(episode_length=0)
    with pytest.raises(ValueError, match="users=0: must be an integer, at least 1"):
        config(users=0)


def test_what_both_systems_share_is_declared_once():
    shared = {field.name for field in fields(CellFreeConfig)} & {field.name for field in fields(XLMIMOConfig)}
    in_both = {
        "levels",
        "action_type",
        "observation",
        "reward_scope",
        "receiver",
        "pilot_length",
    }  # whose words or defaults differ
    for name in shared - in_both:
        homes = [[part for part in parts_of(config) if says(part, name)][-1] for config in CONFIGS]
        assert homes[0] is homes[1], name
        assert homes[0].__module__.startswith("cfenvs.power"), name


@dataclass(frozen=True, kw_only=True)
class Weather(Part):
    """What falls from the sky.

    Parameters
    ----------
    rain : float
        In mm/h.
    """

    rain: float = 0.0

    def check(self):
        require_number(self, rain=(0, 100))


@paged
@dataclass(frozen=True, kw_only=True)
class Outdoors(Weather, CellFreeConfig):
    """The cell-free uplink in the rain."""


def test_a_group_of_options_is_added_by_one_part():
    config = Outdoors(users=3, rain=2.0, receiver="mr")
    assert explained(Outdoors.__doc__)["rain"] == 1
    assert explained(Outdoors.__doc__)["users"] == 1
    with pytest.raises(ValueError, match="rain=101: must be a number, from 0 to 100"):
        replace(config, rain=101)
    with pytest.raises(ValueError, match="users=0"):
        replace(config, users=0)
    with pytest.raises(FrozenInstanceError):
        config.rain = 3.0
    assert pickle.loads(pickle.dumps(config)) == config
    assert CellFreeSimulator(config, 2).config.rain == 2.0


@pytest.mark.parametrize("config", CONFIGS)
def test_a_configuration_is_flat_and_frozen(config):
    made = config(users=4, levels=[0, 50.0], action_type="discrete")
    assert (made.users, made.levels) == (4, (0.0, 50.0))
    assert replace(made, users=5) == config(users=5, levels=(0.0, 50.0), action_type="discrete")
    assert pickle.loads(pickle.dumps(made)) == made
    assert hash(made) == hash(replace(made))
    for name in ("users", "colour"):
        with pytest.raises(FrozenInstanceError):
            setattr(made, name, 3)


def test_somebodys_own_class_is_asked_about_a_configuration_that_has_been_checked():
    seen = []

    class Curious(RECEIVERS["mr"]):
        @classmethod
        def check(cls, config):
            seen.append((config.levels, config.network))
            super().check(config)

    gym.make("CellFreeUplinkPower-v0", preset="small", receiver=Curious)
    assert seen
    assert all(levels == (0.0, 25.0, 50.0, 75.0, 100.0) for levels, _ in seen)
    seen.clear()
    with pytest.raises(ValueError, match="reward_scope"):
        gym.make("CellFreeUplinkPower-v0", preset="small", receiver=Curious, reward_scope="village")
    assert not seen
