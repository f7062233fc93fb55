"""alerts.toml: what is wrong in it is said in a sentence, and nothing of it is repeated that may be a secret."""

import pytest
from alert_case import NOW_S, ZONE, person

from lobbylock.alert_rules import KINDS, TEMPLATE, load_rules, next_local_s
from lobbylock.errors import UserError

SECRET = "pw-Tk9vcGU"


@pytest.fixture
def load(tmp_path):
    def read(text, doors=None, mode=0o600):
        path = tmp_path / "alerts.toml"
        path.unlink(missing_ok=True)
        path.touch(mode)
        path.write_text(text)
        return load_rules(path, doors)

    return read


def test_the_template_is_right(load):
    rules = load(TEMPLATE, ["maple-12/front"])
    assert [person.name for person in rules.persons] == ["Ines", "Anna"]
    ines, anna = rules.persons
    assert "camera" in ines.rules[0].kinds and "trouble" in ines.rules[0].kinds
    assert [rule.kinds for rule in anna.rules] == [{"delivery"}, {"entry", "refused"}]
    assert anna.rule("entry", "maple-12/back") is not None and anna.rule("entry", "oak-3/front") is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f'urls = "{SECRET}"x\n', "is not TOML (at line 1"),
        ("again = 3", 'again is not a duration, as "1h".'),
        ('again = "soon"', "again: 'soon' is not a duration"),
        ('agan = "1h"', "'agan' is not known; did you mean again?"),
        ("[person]\n", "write each person as a section [[person]]"),
        ("[[person]]\n", "Person 1 has no name"),
        (person(kinds=["forced"]) * 2, "two persons 'Ines'"),
        ('[[person]]\nname = "Ines"\n', "Person 'Ines' has no reader"),
        (person(reader="boss", kinds=["forced"]), "A reader is one of"),
        (person(kinds=["forcd"]), "did you mean forced?"),
        (person(kinds=[]), "kinds is not a list of kinds"),
        (person(), "kinds is not a list of kinds"),
        (person(kinds=["forced"], urls=[]), "urls is not a list of 1 to 10"),
        (person(kinds=["forced"], urls=[SECRET]), "URL 1 is not an address"),
        (person(kinds=["forced"], urls=[f"mailto://{SECRET}\\n@x"]), "URL 1 is not an address"),
        (person(kinds=["forced"], url="json://x"), "did you mean urls?"),
        (person(kinds=["forced"], quiet="22-7"), 'as "22:00-07:00"'),
        (person(kinds=["forced"], quiet="22:00-22:00"), 'as "22:00-07:00"'),
        (person(kinds=["forced"], digest="25:00"), 'as "08:00"'),
        (person(kinds=["forced"], digest="every 5s"), 'as "08:00"'),
        (person(kinds=["forced"], doors=["maple"]), "is not a door's name"),
        (person(kinds=["forced"], doors=["oak-3/front"]), "names oak-3/front, and there is none"),
        (person(kinds=["forced"], buildings=["oak-3"]), "names oak-3, and there is none"),
        (person(kinds=["forced"], doors=[]), "doors is empty"),
        (person("Anna", "resident:Anna", kinds=["delivery"]), "name their doors or buildings"),
        (person("Anna", "resident:Anna", kinds=["camera"], buildings=["maple-12"]), "may know nothing of camera"),
        (person("Anna", "resident", kinds=["delivery"], buildings=["maple-12"]), "say which one"),
        (person(kinds=["forced"]) + "[person.rule]\n", "[[person.rule]]"),
        (person() + '[[person.rule]]\nkind = ["forced"]\n', "did you mean kinds?"),
        ("x = " + "[" * 5_000, "is not TOML"),
        ("#" * 300_000, "too long"),
    ],
)
def test_what_is_wrong_is_said(load, text, sentence):
    with pytest.raises(UserError) as caught:
        load(text, ["maple-12/front"])
    said = str(caught.value)
    assert sentence in said and SECRET not in said and len(said) < 400 and "\n" not in said


def test_a_file_that_others_can_read_is_refused(load):
    with pytest.raises(UserError, match="chmod 600"):
        load(TEMPLATE, mode=0o644)


def test_all_is_what_the_reader_may_know(load):
    (anna,) = load(person("Anna", "resident:Anna", kinds=["all"], buildings=["maple-12"])).persons
    assert anna.rules[0].kinds == {"delivery", "entry", "refused", "forced", "held"}
    (ines,) = load(person(kinds=["all"])).persons
    assert ines.rules[0].kinds == set(KINDS)


@pytest.mark.parametrize(
    ("after_s", "hour", "expected_s"),
    [
        # NOW_S is 08:00 in New York.
        (NOW_S, 9, NOW_S + 3_600),
        (NOW_S, 8, NOW_S + 86_400),
        (NOW_S, 7, NOW_S + 23 * 3_600),
        # 2026-11-01 has 25 hours there: noon to noon.
        (1_793_462_400, 12, 1_793_462_400 + 25 * 3_600),
        # 2026-03-08 has 23.
        (1_772_902_800, 12, 1_772_902_800 + 23 * 3_600),
        # There is no half past two that night: a quarter to two, and the evening before, to three.
        (1_772_902_800 + 49_500, 2.5, 1_772_902_800 + 14 * 3_600),
        (1_772_902_800 + 8 * 3_600, 2.5, 1_772_902_800 + 14 * 3_600),
        # Half past one comes twice, and a time of the day is once a day.
        (1_793_462_400 + 12 * 3_600, 1.5, 1_793_462_400 + 13.5 * 3_600),
        (1_793_462_400 + 13.75 * 3_600, 1.5, 1_793_462_400 + 38.5 * 3_600),
    ],
)
def test_a_time_of_day_is_by_the_building_s_clock(after_s, hour, expected_s):
    assert next_local_s(int(hour * 3_600), int(after_s), ZONE) == expected_s
