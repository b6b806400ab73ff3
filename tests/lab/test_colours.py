"""One look for each optimizer, whoever else is in the picture."""

import itertools

import numpy as np

from thalweg.lab.colours import KNOWN, looks
from thalweg.lab.landscape.entrants import CLASSIC
from thalweg.optimizers import OPTIMIZERS

# Viénot, Brettel and Mollon 1999: linear RGB as who lacks red or green cones sees it
BLIND = {
    "protanopia": [[0.1124, 0.8876, 0.0], [0.1124, 0.8876, 0.0], [0.004, -0.004, 1.0]],
    "deuteranopia": [[0.2925, 0.7075, 0.0], [0.2925, 0.7075, 0.0], [-0.0223, 0.0223, 1.0]],
    "nothing": np.eye(3).tolist(),
}


def lab(colour, kind):
    """CIE L*a*b* of a colour as it is seen."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(BLIND[kind]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ seen / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_the_classic_ones_differ_in_colour_for_everybody():
    found = looks(CLASSIC)
    for kind in BLIND:
        for a, b in itertools.combinations(CLASSIC, 2):
            seen = [lab(found[label].colour, kind) for label in (a, b)]
            assert np.linalg.norm(seen[0] - seen[1]) > 10, (kind, a, b)


def test_no_two_of_the_list_look_the_same():
    assert len(set(looks(KNOWN).values())) == len(KNOWN)


def test_those_of_the_list_differ_in_colour_or_dash():
    """A marker alone is seen only where there is one."""
    assert len({(one.colour, one.dash) for one in looks(KNOWN[:70]).values()}) == 70


def test_another_packages_has_the_colour_of_its_name():
    ours, torchs, tried = looks(["AdamW", "torch.optim:AdamW", "torch.optim:AdamW(eps=1)"]).values()
    assert ours.colour == torchs.colour == tried.colour
    assert len({ours.dash, torchs.dash}) == 2
    assert torchs != tried


def test_every_optimizer_has_its_own_look():
    names = {*OPTIMIZERS, *KNOWN}
    assert len(set(looks(names).values())) == len(names)


def test_a_look_does_not_depend_on_who_else_is_there():
    alone = looks(["Adam"])["Adam"]
    assert looks(["mine", "Ranger(k=3)", *OPTIMIZERS])["Adam"] == alone
    assert looks(["mine"])["mine"] == looks([*OPTIMIZERS, "mine"])["mine"]


def test_settings_change_the_dash_and_not_the_colour():
    plain, other = looks(["Ranger", "Ranger(k=3)"]).values()
    assert other.colour == plain.colour
    assert other.dash != plain.dash


def test_there_is_a_look_for_any_number():
    many = [f"mine{i}" for i in range(200)]
    assert len(set(looks(many).values())) == 200
