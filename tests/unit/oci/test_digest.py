import hashlib

import pytest

from lamina.errors import Invalid, Unsupported
from lamina.oci.digest import DiffID, Digest, Sha256, chain_ids

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_digest_is_equal_to_the_text_it_prints_as() -> None:
    assert Digest.parse(EMPTY) == EMPTY == Digest.of(b"")
    assert Digest.parse(EMPTY).algorithm == "sha256"
    assert Digest.parse(EMPTY).short == "e3b0c44298fc"


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_every_registered_algorithm_is_parsed_and_made(algorithm: str) -> None:
    assert (
        Digest.parse(Digest.of(b"x", algorithm)).encoded == hashlib.new(algorithm, b"x").hexdigest()
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        ":" + "a" * 64,
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "sha256:" + "A" * 64,
        "sha256:" + "g" * 64,
        "SHA256:" + "a" * 64,
        "md5:" + "a" * 32,
        "sha256:../" + "a" * 61,
        "sha256:" + "a" * 64 + "\n",
        "sha256+:" + "a" * 64,
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Digest.parse(text)


def test_an_unknown_algorithm_is_kept_but_verifies_nothing() -> None:
    kept = Digest.opaque("sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564")
    with pytest.raises(Unsupported, match="sha256\\+b64u"):
        kept.hasher()


def test_an_opaque_digest_of_a_known_algorithm_is_checked() -> None:
    with pytest.raises(Invalid):
        Digest.opaque("sha256:short")


def test_a_hasher_comes_to_the_digest() -> None:
    hasher = Digest.of(b"").hasher()
    hasher.update(b"x")
    assert Digest.done(hasher) == Digest.of(b"x")


def test_one_layer_is_its_own_chain() -> None:
    only = DiffID(Digest.of(b"a"))
    assert chain_ids([only]) == [only]


def test_no_layer_has_no_chain() -> None:
    assert chain_ids([]) == []


def test_a_chain_id_hashes_the_chain_below_and_the_layer() -> None:
    first, second = DiffID(Digest.of(b"a")), DiffID(Digest.of(b"b"))
    assert chain_ids([first, second])[1] == Digest.of(f"{first} {second}".encode())
    assert chain_ids([second, first])[1] != chain_ids([first, second])[1]


@pytest.mark.parametrize("sizes", [(), (1, 2), (1 << 16,), (1 << 16, 1), (1 << 20, 7), (9, 99999)])
def test_bytes_that_come_in_pieces_have_the_digest_of_the_whole(sizes: tuple[int, ...]) -> None:
    hasher, whole = Sha256(), b""
    for number, size in enumerate(sizes):
        piece = bytes([number]) * size
        whole += piece
        hasher.update(memoryview(piece))
        assert hasher.digest() == hashlib.sha256(whole).digest()
    assert hasher.hexdigest() == hashlib.sha256(whole).hexdigest()
