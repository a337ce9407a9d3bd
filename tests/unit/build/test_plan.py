"""Plans: which steps a Dockerfile comes to, and what the image around them says."""

from __future__ import annotations

import pytest

from lamina.build.graph import (
    BaseImage,
    CacheMount,
    ContextTree,
    CopyOp,
    Graph,
    ImageTree,
    RunOp,
    Scratch,
    SecretMount,
    StepTree,
    WorkdirOp,
)
from lamina.build.plan import plan
from lamina.build.reach import NamedContext, Options
from lamina.dockerfile import DockerfileErrors, parse
from lamina.errors import Invalid, NotFound
from lamina.image.view import Image
from lamina.oci import media_type
from lamina.oci.config import History, ImageConfig, RunConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.oci.platform import parse as parse_platform

LAYER = DiffID(Digest.of(b"layer"))


def image(**config: object) -> Image:
    """An image of one layer, as far as a plan looks at it."""
    from lamina.image.view import join

    settings = RunConfig(env=("PATH=/bin",), **config)  # type: ignore[arg-type]
    document = ImageConfig.make(
        platform=parse_platform("linux/amd64"),
        config=settings,
        diff_ids=(LAYER,),
        history=(History(created_by="base"),),
    )
    layers = (Descriptor(media_type.OCI_LAYER, LAYER, 5),)
    about = Descriptor(media_type.OCI_CONFIG, document.digest, len(document.raw))
    manifest = Manifest.make(about, layers)
    return join(manifest.descriptor(), manifest, document)


def planned(
    text: str,
    *,
    base: Image | None = None,
    contexts: dict[str, NamedContext] | None = None,
    **options: object,
) -> Graph:
    def resolve(name: str, platform: Platform) -> BaseImage:
        if name == "absent":
            raise NotFound(f'image "{name}" is not in the store')
        return BaseImage(name, base or image())

    return plan(parse(text), Options(**options), resolve=resolve, contexts=contexts)  # type: ignore[arg-type]


def faults(text: str, **options: object) -> list[str]:
    with pytest.raises(DockerfileErrors) as caught:
        planned(text, **options)
    return [fault.message for fault in caught.value.faults]


def test_steps_stand_on_each_other() -> None:
    graph = planned("FROM base\nRUN one\nWORKDIR /w\nCOPY a b\n")
    assert [type(step.op) for step in graph.steps] == [RunOp, WorkdirOp, CopyOp]
    assert [step.parent for step in graph.steps] == [ImageTree(0), StepTree(0), StepTree(1)]
    assert graph.target.tree == StepTree(2)
    assert graph.steps[0].label == "[2/4] RUN one"


def test_only_stages_that_the_target_needs_are_planned() -> None:
    text = "FROM base AS a\nRUN a\nFROM base AS b\nRUN b\nFROM base\nCOPY --from=b /x /x\n"
    assert [step.stage for step in planned(text).steps] == ["b", "2"]
    assert [step.stage for step in planned(text, target="A").steps] == ["a"]


def test_an_unused_stage_may_stand_on_an_image_that_is_not_here() -> None:
    assert planned("FROM absent AS a\nFROM base\n").images[0].name == "base"


def test_an_unknown_target_is_told_with_the_stages_there_are() -> None:
    with pytest.raises(NotFound, match="nope") as caught:
        planned("FROM base AS a\n", target="nope")
    assert caught.value.hint == "stages are: a"


def test_instructions_without_files_make_history_without_a_layer() -> None:
    history = planned('FROM base\nENV A=1\nCMD ["x"]\nEXPOSE 80\n').target.history
    assert [entry.created_by for entry in history] == [
        "base",
        "ENV A=1",
        'CMD ["x"]',
        "EXPOSE [80/tcp]",
    ]
    assert all(entry.step is None for entry in history)


def test_arguments_show_in_front_of_a_command() -> None:
    text = "ARG V=1\nFROM base\nARG V\nRUN make\n"
    assert planned(text).target.history[-1].created_by == "RUN |1 V=1 /bin/sh -c make # buildkit"
    given = planned(text, build_args={"V": "2"})
    assert dict(given.steps[0].op.env)["V"] == "2"  # type: ignore[union-attr]


def test_env_after_arg_wins() -> None:
    step = planned("FROM base\nARG V=1\nENV V=x\nRUN make\n").steps[0]
    assert dict(step.op.env)["V"] == "x"  # type: ignore[union-attr]


def test_proxies_come_in_both_cases_and_not_in_the_environment() -> None:
    op = planned("FROM base\nRUN x\n", build_args={"HTTP_PROXY": "p"}).steps[0].op
    assert isinstance(op, RunOp)
    assert dict(op.proxies) == {"HTTP_PROXY": "p", "http_proxy": "p"}
    assert "HTTP_PROXY" not in dict(op.env)


def test_scratch_gets_a_path_and_a_working_directory() -> None:
    config = planned("FROM scratch\nCOPY a /\n").target.config
    assert config.env == ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    assert config.working_dir == "/"


def test_an_entrypoint_takes_away_the_bases_command() -> None:
    base = image(cmd=("sh",))
    assert planned('FROM base\nENTRYPOINT ["x"]\n', base=base).target.config.cmd is None
    kept = planned('FROM base\nCMD ["y"]\nENTRYPOINT ["x"]\n', base=base).target.config
    assert kept.cmd == ("y",)


def test_triggers_of_the_base_run_first_and_are_gone() -> None:
    graph = planned("FROM base\nRUN own\n", base=image(on_build=("RUN trigger",)))
    assert [step.instruction for step in graph.steps] == ["RUN trigger", "RUN own"]
    assert graph.target.config.on_build == ()


def test_a_named_context_stands_in_for_a_stage() -> None:
    text = "FROM base AS part\nRUN never\nFROM base\nCOPY --from=part a b\n"
    graph = planned(text, contexts={"part": NamedContext(None)})
    assert graph.contexts == ("part",)
    assert [step.op.source for step in graph.steps] == [ContextTree("part")]  # type: ignore[union-attr]


def test_mounts_have_their_defaults() -> None:
    text = "FROM base\nRUN --mount=type=cache,target=c --mount=type=secret,id=s x\n"
    op = planned(text).steps[0].op
    assert isinstance(op, RunOp)
    cache, secret = op.mounts
    assert cache == CacheMount("/c", "c", "shared", Scratch(), "/", 0o755, 0, 0, False)
    assert secret == SecretMount("s", "/run/secrets/s", None, False, 0o400, 0, 0)


def test_every_fault_is_told_at_once() -> None:
    text = "FROM base\nSTOPSIGNAL NONE\nEXPOSE x\nRUN []\n"
    assert len(faults(text)) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM $X\n", "should not be blank"),
        ("FROM base AS a\nCOPY --from=b x y\nFROM base AS b\n", "needs to be defined before"),
        ("FROM base AS a\nCOPY --from=a x y\n", "cannot read from itself"),
        ("FROM base\nCOPY --from=9 x y\n", 'invalid stage index "9"'),
        ("FROM base\nRUN --security=insecure x\n", "--security=insecure is not built"),
        ("FROM base\nRUN --mount=type=ssh x\n", "type=ssh is not built"),
        ("FROM base\nADD https://example.com/x /\n", "is not built"),
        ("FROM base\nADD --checksum=sha256:1 x /\n", "checksum requires"),
        ("FROM base\nRUN --mount=type=tmpfs,target=/ x\n", "the root cannot be mounted over"),
        ("FROM absent\n", "is not in the store"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(text: str, message: str) -> None:
    options = {"target": "a"} if " AS a" in text else {}
    assert any(message in told for told in faults(text, **options))


def test_an_epoch_is_seconds() -> None:
    assert planned("FROM base\n", build_args={"SOURCE_DATE_EPOCH": "5"}).epoch == 5
    with pytest.raises(Invalid, match="expected seconds"):
        planned("FROM base\n", build_args={"SOURCE_DATE_EPOCH": "soon"})
