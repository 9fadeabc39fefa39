"""Who looks as words say, over REST."""

from concurrent.futures import Future

import numpy as np
import pytest
from stage import Stage, served

from app.domains.vocabulary import Embeddings, GlobalId
from app.errors import ModelError

LOOKS = "/api/v1/sites/shop/looks"


class Words:
    """A TextEncoder that tells colours apart, and has no tokenizer when told so."""

    def __init__(self):
        self.broken = False

    def describe(self, texts):
        if self.broken:
            raise ModelError("/secret/clip", "no tokenizer for words")
        return Embeddings(np.array([[float("red" in text), float("blue" in text)] for text in texts], np.float32))


class Memory:
    """What the frame path remembers: people's looks by id; or it makes no steps."""

    def __init__(self):
        self.looks = {
            GlobalId(3): (1.0, 0.0),
            GlobalId(9): (0.8, 0.6),
            GlobalId(2): (0.6, 0.8),
            GlobalId(77): (1.0, 0.0),
        }
        self.steps = True

    def __call__(self, vector, most):
        answer = Future()
        if self.steps:
            likeness = {who: float(np.dot(vector, look)) for who, look in self.looks.items()}
            answer.set_result(sorted(likeness.items(), key=lambda one: -one[1])[:most])
        return answer


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def words():
    return Words()


@pytest.fixture
def client(memory, words):
    stage = Stage()
    stage.runtime.resembling = memory
    with served(stage.site(text_encoder=words)) as client:
        yield client


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("a+red+jacket", [(3, 1.0), (2, 0.8)]), ("a+blue+jacket&limit=2", [(2, 0.8)])],
    ids=["two ids of one person count once, and who is not in the history yet does not", "so many ids at most"],
)
def test_people_come_best_first(client, asked, expected):
    answer = client.get(f"{LOOKS}?looks={asked}").json()
    assert answer["looks"].startswith("a ")
    assert [(person["id"], person["likeness"]) for person in answer["people"]] == expected
    assert answer["people"][0]["last_seen"].startswith("2026-01-01T12:")


def test_an_embedder_without_words_says_which_has_them():
    with served(Stage().site()) as client:
        answer = client.get(f"{LOOKS}?looks=red")
    assert answer.status_code == 409
    assert answer.json()["detail"] == (
        "the embedder in use knows no words; one of CLIP does: embedder: {model: clip-vit-b-32} in the site file"
    )


def test_what_keeps_the_embedder_from_words_is_told_without_its_path(client, words):
    words.broken = True
    answer = client.get(f"{LOOKS}?looks=red")
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "the embedder in use cannot read words: no tokenizer for words",
    )


def test_a_frame_path_that_makes_no_steps_does_not_keep_anybody_waiting(client, memory):
    memory.steps = False
    assert client.get(f"{LOOKS}?looks=red").status_code == 503


@pytest.mark.parametrize("query", ["", "?looks=", "?looks=a%00b", f"?looks={'a' * 201}", "?looks=red&limit=0"])
def test_what_cannot_be_asked_is_422(client, query):
    assert client.get(f"{LOOKS}{query}").status_code == 422
