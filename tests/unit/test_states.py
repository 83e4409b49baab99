"""The transition table and its picture."""

import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gong_worker.domain.states import TRANSITIONS, ForbiddenMove, Move, Status, status_after

PICTURE = Path(__file__).parents[2] / "docs" / "states.md"


def test_delivered_is_final() -> None:
    """Nothing moves an event that Gong has."""
    assert not [before for before, _ in TRANSITIONS if before is Status.DELIVERED]


def test_every_state_is_reached_and_every_move_is_used() -> None:
    """The vocabulary has no word that means nothing."""
    assert set(TRANSITIONS.values()) == set(Status)
    assert {move for _, move in TRANSITIONS} == set(Move)


def test_every_state_but_delivered_leads_to_delivered() -> None:
    """No event is stuck: from anywhere there is a way to Gong."""
    reaching = {Status.DELIVERED}
    while more := {b for (b, _), after in TRANSITIONS.items() if after in reaching and b} - reaching:
        reaching |= more
    assert reaching == set(Status)


@given(st.lists(st.sampled_from(Move), max_size=30))
def test_every_path_starts_with_a_claim(moves: list[Move]) -> None:
    """Whatever happens in whatever order, an event is in exactly one state and is sent only while claimed."""
    status: Status | None = None
    for move in moves:
        if (following := TRANSITIONS.get((status, move))) is None:
            continue
        if following is Status.SENDING:
            assert move in (Move.CLAIMED, Move.TAKEN_OVER, Move.REOPENED)
        assert status is not None or move is Move.CLAIMED
        status = following


def test_a_move_has_one_meaning() -> None:
    """Wherever it starts, a move ends in one and the same state."""
    assert all(len({after for (_, m), after in TRANSITIONS.items() if m is move}) == 1 for move in Move)


@pytest.mark.parametrize("before", [None, *Status])
def test_what_the_table_does_not_have_is_forbidden(before: Status | None) -> None:
    """A move is either in the table or an error that names both."""
    for move in Move:
        if (before, move) in TRANSITIONS:
            assert status_after(before, move) is TRANSITIONS[before, move]
        else:
            with pytest.raises(ForbiddenMove, match=f"{before or 'nothing'} by {move}"):
                status_after(before, move)


def test_the_picture_is_the_table() -> None:
    """docs/states.md draws every move of the table and no other."""
    diagram = PICTURE.read_text().split("```mermaid")[1].split("```")[0]
    drawn = set()
    for before, after, label in re.findall(r"(\S+) --> (\S+): (.*)", diagram):
        moves = [Move(re.sub(r"\(.*\)", "", name).strip().replace(" ", "_")) for name in label.split(",")]
        start = None if before == "[*]" else Status(before)
        drawn |= set(product([start], moves, [Status(after)]))
    assert drawn == {(before, move, after) for (before, move), after in TRANSITIONS.items()}
