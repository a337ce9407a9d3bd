"""Answers of builds: what is kept comes back, and nothing else does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lamina.build import Basis
from lamina.engine import again
from lamina.engine.again import Answer, Question
from lamina.store import Store

ANSWER = Answer("#1 CACHED\nname \udcff\n", "sha256:1\n")
QUESTION = Question("/here\nbuild\n.", "a=1")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def basis(tmp_path: Path, *, began: float | None = None) -> Basis:
    file = tmp_path / "name \udcff"
    file.touch()
    began = time.time() + 1 if began is None else began
    report = b'{"place": "x", "time": %s, "words": []}' % repr(began).encode()
    files = (str(file), str(tmp_path / "none"), f"{tmp_path}/.", "/etc/passwd")
    return Basis(files, (), (), report, ("last",), began)


def test_an_answer_comes_back(store: Store, tmp_path: Path) -> None:
    again.keep(store, QUESTION, basis(tmp_path), ANSWER)
    assert again.recall(store, QUESTION) == ANSWER
    assert again.recall(store, Question("other", "a=1")) is None
    assert again.recall(store, Question(QUESTION.line, "a=2")) is None


def test_the_report_is_given_a_new_time(store: Store, tmp_path: Path) -> None:
    again.keep(store, QUESTION, basis(tmp_path), ANSWER)
    before = time.time()
    again.recall(store, QUESTION)
    data = store.records.get("build-report", "last") or b""
    assert data.startswith(b'{"place": "x", "time": ')
    assert before <= float(data.split()[3].rstrip(b",")) <= time.time()


def test_young_files_are_not_known_by_their_looks(store: Store, tmp_path: Path) -> None:
    again.keep(store, QUESTION, basis(tmp_path, began=time.time()), ANSWER)
    assert again.recall(store, QUESTION) is None


def test_what_is_damaged_is_no_answer(store: Store, tmp_path: Path) -> None:
    again.keep(store, QUESTION, basis(tmp_path), ANSWER)
    whole = store.records.get(again.KIND, QUESTION.key) or b""
    for cut in range(len(whole)):
        store.records.put(again.KIND, QUESTION.key, whole[:cut], now=1)
        assert again.recall(store, QUESTION) is None
    store.records.put(again.KIND, QUESTION.key, b"\xff" * 64, now=1)
    assert again.recall(store, QUESTION) is None


def test_few_answers_are_kept(store: Store, tmp_path: Path) -> None:
    questions = [Question(f"{number:02}", "") for number in range(20)]
    for question in questions:
        again.keep(store, question, basis(tmp_path), ANSWER)
    kept = {record.key for record in store.records.items(again.KIND)}
    assert kept == {question.key for question in questions[4:]}


def test_a_command_line_is_kept_as_a_digest_only(store: Store, tmp_path: Path) -> None:
    question = Question("build --build-arg=TOKEN=hidden", "TOKEN=hidden")
    again.keep(store, question, basis(tmp_path), ANSWER)
    (record,) = store.records.items(again.KIND)
    assert "hidden" not in record.key
    assert b"hidden" not in record.value


def test_what_cannot_be_kept_is_worked_out_again(store: Store, tmp_path: Path) -> None:
    with store.database.transaction() as connection:
        connection.execute("DROP TABLE records")
    again.keep(store, QUESTION, basis(tmp_path), ANSWER)
    assert again.recall(store, QUESTION) is None
