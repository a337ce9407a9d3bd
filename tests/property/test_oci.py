"""Parse and print are inverses; whatever is edited is valid."""

from __future__ import annotations

import gzip

from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import Error, Invalid
from lamina.image import view
from lamina.image.edit import Assembly
from lamina.image.validate import validate
from lamina.oci import config as configs
from lamina.oci import descriptor, document, manifest, media_type, reference
from lamina.oci import platform as platforms
from lamina.oci.config import Healthcheck, History, ImageConfig, RunConfig
from lamina.oci.digest import DiffID, Digest
from lamina.oci.platform import Platform
from places import Memory, tar

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
WORDS = st.lists(TEXT, max_size=3).map(tuple)
MAYBE_WORDS = st.none() | WORDS
KEYS = st.dictionaries(TEXT, TEXT, max_size=3)
RUN = st.builds(
    RunConfig,
    user=TEXT,
    exposed_ports=st.sets(TEXT, max_size=3).map(lambda names: tuple(sorted(names))),
    env=st.lists(st.tuples(TEXT, TEXT).map("=".join), max_size=3).map(tuple),
    entrypoint=MAYBE_WORDS,
    cmd=MAYBE_WORDS,
    volumes=st.sets(TEXT, max_size=3).map(lambda names: tuple(sorted(names))),
    working_dir=TEXT,
    labels=KEYS,
    stop_signal=TEXT,
    healthcheck=st.none()
    | st.builds(
        Healthcheck, WORDS.filter(bool), st.integers(0, 1 << 62), retries=st.integers(0, 9)
    ),
    on_build=WORDS,
    shell=st.none() | WORDS.filter(bool),
    args_escaped=st.booleans(),
)
PLATFORMS = st.builds(
    Platform,
    st.sampled_from(["linux", "windows"]),
    st.sampled_from(["amd64", "arm", "arm64", "riscv64"]),
    st.sampled_from(["", "v2", "v6", "v8.1"]),
)


@given(PLATFORMS, RUN, st.lists(st.builds(History, st.none(), TEXT, TEXT, TEXT, st.booleans())))
def test_a_config_is_read_as_it_was_made(
    platform: Platform, run: RunConfig, history: list[History]
) -> None:
    made = ImageConfig.make(platform=platform, config=run, history=tuple(history))
    assert configs.parse(made.raw) == made


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for read in (manifest.parse, configs.parse, lambda raw: document.load(raw, "x")):
        try:
            read(raw)
        except Error:
            pass


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT,
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "mediaType",
                        "digest",
                        "size",
                        "config",
                        "layers",
                        "manifests",
                        "schemaVersion",
                        "rootfs",
                        "history",
                        "platform",
                        "os",
                    ]
                ),
                inner,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_read_or_refused(found: object) -> None:
    try:
        raw = document.dump(
            {"schemaVersion": 2, "config": found, "layers": [found], "rootfs": found}
        )
        descriptor.parse(found)
        manifest.parse(raw)
        configs.parse(raw)
    except Invalid:
        pass


@given(st.from_regex(r"[a-zA-Z0-9._:/@\[\]-]{1,60}", fullmatch=True))
def test_a_reference_is_read_again_as_it_prints(text: str) -> None:
    try:
        found = reference.parse(text)
    except Invalid:
        return
    assert reference.parse(str(found)) == found
    assert reference.parse(found.familiar()) == found


@given(PLATFORMS, st.lists(PLATFORMS, max_size=4))
def test_the_best_platform_is_one_that_runs(wanted: Platform, there: list[Platform]) -> None:
    at = platforms.best(wanted, there)
    runs = [platforms.matches(wanted, one) for one in there]
    assert at is not None if any(runs) else at is None
    assert at is None or runs[at]
    assert platforms.parse(platforms.format_all(wanted)).os == wanted.os


@settings(max_examples=30)
@given(st.lists(st.tuples(st.binary(max_size=30), st.booleans(), st.booleans()), max_size=4), RUN)
def test_whatever_is_edited_is_valid(steps: list[tuple[bytes, bool, bool]], run: RunConfig) -> None:
    place = Memory()
    made = Assembly(Platform("linux", "amd64")).configure(run)
    for content, is_empty, is_compressed in steps:
        if is_empty:
            made = made.record(History(created_by="ENV"))
            continue
        plain = tar(file=content)
        kind = media_type.OCI_LAYER_GZIP if is_compressed else media_type.OCI_LAYER
        layer = place.put(gzip.compress(plain) if is_compressed else plain, kind)
        made = made.append(layer, DiffID(Digest.of(plain)), History(created_by="COPY"))
    found, config = made.make()
    place.put(config.raw, media_type.OCI_CONFIG)
    pointer = place.put(found.raw, found.media_type)
    assert validate(place, pointer) == []
    assert view.load(place, pointer).config == config


@given(st.text("aZ09./:-@_[]", max_size=24))
def test_a_plain_name_has_the_parts_that_the_grammar_finds(text: str) -> None:
    assert reference._plain_parts(text) in (None, reference._parts(text))
