from __future__ import annotations

import stat

import pytest

from lamina.layer.erofs import BLOCK, Chunks, Node, chunks_of, image, pack_xattrs

HOLE = 0xFFFFFFFF


def directory(**inside: Node) -> Node:
    node = Node(stat.S_IFDIR | 0o755, (0, 0), 0)
    node.inside = dict(inside)
    return node


def file(size: int = 5, offset: int = 512) -> Node:
    node = Node(stat.S_IFREG | 0o644, (1, 2), 1_500_000_000)
    node.size, node.inside = size, offset
    return node


def test_the_same_nodes_give_the_same_bytes() -> None:
    one, other = (image_of(directory(b=file(), a=directory(x=file(7)))) for _ in range(2))
    assert one == other
    assert len(one) % BLOCK == 0
    assert one[1024:1028] == (0xE0F5E1E2).to_bytes(4, "little")


def image_of(root: Node) -> bytes:
    return bytes(image(root, 4096))


def test_an_image_is_known_by_what_is_in_it() -> None:
    identity = slice(1024 + 48, 1024 + 64)
    one, other = image_of(directory(a=file()))[identity], image_of(directory(b=file()))[identity]
    assert one != other
    assert any(one)


@pytest.mark.parametrize(
    ("size", "offset", "sparse", "bits", "blocks"),
    [
        (8192, 512, ((0, 4096),), 3, [1, HOLE]),
        (8192, 512, ((4096, 4096),), 3, [HOLE, 1]),
        (8192, 1024, (), 4, [HOLE]),
        (4100, 512, ((4096, 4),), 3, [HOLE, 1]),
        (1 << 30, 512, ((1 << 29, 1 << 20),), 11, [HOLE] * 512 + [1] + [HOLE] * 511),
        (0, 512, (), 0, []),
    ],
)
def test_a_hole_is_a_chunk_that_is_nowhere(
    size: int, offset: int, sparse: tuple[tuple[int, int], ...], bits: int, blocks: list[int]
) -> None:
    chunks = chunks_of(size, offset, sparse)
    assert chunks is not None
    assert (chunks.bits, chunks.blocks) == (bits, blocks)


@pytest.mark.parametrize(
    ("size", "offset", "sparse"),
    [
        (8192, 512, ((100, 4096),)),
        (8192, 512, ((0, 100),)),
        (8192, 700, ((0, 4096),)),
        (1 << 40, 512, ((512, 512),)),
    ],
    ids=["begins inside", "ends inside", "in no block of the tar", "too many"],
)
def test_holes_that_lie_between_no_blocks_are_not_drawn(
    size: int, offset: int, sparse: tuple[tuple[int, int], ...]
) -> None:
    assert chunks_of(size, offset, sparse) is None


def test_attributes_are_packed_in_order() -> None:
    packed = pack_xattrs({"user.b": b"2", "trusted.a": b""})
    assert packed == bytes(12) + b"\x01\x04\0\0a\0\0\0" + b"\x01\x01\x01\0b2\0\0"


@pytest.mark.parametrize(
    "name", ["system.posix_acl_access", "user.", "plain", "user." + "n" * 251, "unknown.name"]
)
def test_an_attribute_without_a_place_is_not_packed(name: str) -> None:
    assert pack_xattrs({name: b""}) is None


def test_attributes_that_are_too_long_are_not_packed() -> None:
    assert pack_xattrs({"user.a": bytes(65536)}) is None
    assert pack_xattrs({f"user.{number}": bytes(65535) for number in range(3)}) is not None
    assert pack_xattrs({f"user.{number}": bytes(65535) for number in range(4)}) is None


def test_links_lie_in_one_block_with_their_inode() -> None:
    links = {}
    for length in range(1, 600):
        link = Node(stat.S_IFLNK | 0o777, (0, 0), 0)
        link.inside = b"t" * length
        links[f"l{length}"] = link
    out = image_of(directory(**links))
    for length, link in enumerate(links.values(), 1):
        start = 3 * BLOCK + link.nid * 32
        layout = out[start] >> 1
        assert layout == (2 if length <= BLOCK - 64 else 0)
        if layout == 2:
            assert start // BLOCK == (start + 64 + length - 1) // BLOCK
            assert out[start + 64 : start + 64 + length] == b"t" * length


def test_an_empty_file_is_nowhere_in_the_tar() -> None:
    out = image_of(directory(a=file(0, offset=1 << 40)))
    assert len(out) % BLOCK == 0


def test_a_file_is_one_chunk_wherever_it_lies() -> None:
    node = file((1 << 39) + 1, offset=1 << 39)
    out = image_of(directory(a=node))
    at = 3 * BLOCK + node.nid * 32
    assert int.from_bytes(out[at + 8 : at + 16], "little") == node.size
    assert out[at + 16] == 0x20 | (40 - 9)
    assert int.from_bytes(out[at + 68 : at + 72], "little") == 1 << 30


def test_a_file_with_holes_names_each_chunk() -> None:
    node = file(8192)
    node.chunks = Chunks(3, [HOLE, 9])
    out = image_of(directory(a=node))
    at = 3 * BLOCK + node.nid * 32 + 64
    assert out[at : at + 16] == bytes(4) + b"\xff" * 4 + b"\0\0\x01\0\x09\0\0\0"
