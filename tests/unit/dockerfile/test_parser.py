"""Dockerfiles: what is accepted, and how faults are told."""

from __future__ import annotations

import pytest

from lamina import values
from lamina.dockerfile import DockerfileErrors, Span, instruction, parse
from lamina.dockerfile import instructions as ins
from lamina.errors import Invalid


def stage_of(*lines: str) -> tuple[ins.Instruction, ...]:
    return parse("\n".join(("FROM scratch", *lines))).stages[0].instructions


def faults_of(text: str | bytes) -> list[str]:
    with pytest.raises(DockerfileErrors) as caught:
        parse(text)
    return [fault.message for fault in caught.value.faults]


def test_stages_take_what_follows_their_from() -> None:
    file = parse("ARG V=3\nFROM alpine:$V AS Base\nRUN a\nFROM base\nCOPY --from=base /a /b\n")
    assert [(arg.args, arg.span.start_line) for arg in file.meta_args] == [((("V", "3"),), 1)]
    assert [stage.name for stage in file.stages] == ["base", None]
    assert [len(stage.instructions) for stage in file.stages] == [1, 1]
    assert file.stages[0].span == Span(2, 1, 3, 6)


def test_every_flag_of_copy_is_read() -> None:
    (copy,) = stage_of(
        "COPY --from=b --chown=1:2 --chmod=u+x --link --parents --exclude=a --exclude=b x y /z/"
    )
    assert isinstance(copy, ins.Copy)
    assert (copy.from_, copy.chown, copy.chmod) == ("b", "1:2", "u+x")
    assert (copy.link, copy.parents, copy.excludes) == (True, True, ("a", "b"))
    assert (copy.sources, copy.destination) == (("x", "y"), "/z/")


def test_every_flag_of_add_is_read() -> None:
    (add,) = stage_of(
        "ADD --checksum=sha256:1 --keep-git-dir=true --unpack=false --link=false --exclude=c a /b"
    )
    assert isinstance(add, ins.Add)
    assert (add.checksum, add.keep_git_dir, add.unpack) == ("sha256:1", True, False)
    assert (add.link, add.excludes) == (False, ("c",))


def test_flags_of_add_that_were_not_given_are_none() -> None:
    (add,) = stage_of("ADD a /b")
    assert isinstance(add, ins.Add)
    assert (add.keep_git_dir, add.unpack, add.checksum, add.chmod) == (None, None, None, None)


def test_run_keeps_its_mounts_raw_until_they_are_expanded() -> None:
    (run,) = stage_of(
        "RUN --mount=type=cache,target=$X --mount=type=tmpfs,dst=/t --network=none"
        " --security=insecure --device=v/c=a make"
    )
    assert isinstance(run, ins.Run)
    assert run.mounts == ("type=cache,target=$X", "type=tmpfs,dst=/t")
    assert (run.network, run.security, run.devices) == ("none", "insecure", ("v/c=a",))
    assert run.command == ins.Command(("make",), True)


def test_heredocs_belong_to_their_instruction() -> None:
    (copy,) = stage_of("COPY <<-'A' <<B c /d/", "\tone", "\tA", "two", "B")
    assert isinstance(copy, ins.Copy)
    assert [(doc.name, doc.content, doc.expand) for doc in copy.heredocs] == [
        ("A", "one\n", False),
        ("B", "two\n", True),
    ]
    assert copy.sources == ("c",)
    assert copy.span == Span(2, 1, 6, 2)


def test_healthcheck_counts_in_nanoseconds() -> None:
    (check,) = stage_of(
        "HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=1.5s --start-interval=2s"
        " --retries=3 CMD curl -f x"
    )
    assert isinstance(check, ins.Healthcheck)
    assert check.test == ("CMD-SHELL", "curl -f x")
    assert (check.interval, check.timeout) == (90 * 10**9, 5 * 10**8)
    assert (check.start_period, check.start_interval, check.retries) == (15 * 10**8, 2 * 10**9, 3)


def test_onbuild_keeps_its_trigger_as_text_and_as_instruction() -> None:
    (each,) = stage_of("ONBUILD COPY <<E /x", "hi", "E")
    assert isinstance(each, ins.OnBuild)
    assert each.trigger == "COPY <<E /x\nhi\nE"
    assert isinstance(each.instruction, ins.Copy)
    again = instruction(each.trigger, each.span)
    assert isinstance(again, ins.Copy)
    assert (again.heredocs, again.span) == (each.instruction.heredocs, each.span)


def test_a_trigger_that_cannot_be_read_is_a_warning_only() -> None:
    file = parse("FROM a\nONBUILD COPY --form=x a b\n")
    (each,) = file.stages[0].instructions
    assert isinstance(each, ins.OnBuild)
    assert each.instruction is None
    assert "--form" in file.warnings[0].message
    with pytest.raises(DockerfileErrors):
        instruction(each.trigger)


@pytest.mark.parametrize(
    ("line", "args", "is_shell"),
    [
        pytest.param('CMD ["a", "b"]', ("a", "b"), False, id="exec"),
        pytest.param("CMD a b", ("a b",), True, id="shell"),
        pytest.param("CMD ['a']", ("['a']",), True, id="single quotes are no JSON"),
        pytest.param('CMD ["a"] # x', ('["a"] # x',), True, id="text after the array"),
        pytest.param("CMD []", (), False, id="nothing"),
        pytest.param("CMD [NaN]", ("[NaN]",), True, id="not a number"),
    ],
)
def test_what_is_no_json_is_shell_form(line: str, args: tuple[str, ...], is_shell: bool) -> None:
    (cmd,) = stage_of(line)
    assert isinstance(cmd, ins.Cmd)
    assert cmd.command == ins.Command(args, is_shell)


def test_the_escape_directive_changes_continuations() -> None:
    file = parse("# escape=`\nFROM a\nRUN dir c:\\`\n foo\n")
    (run,) = file.stages[0].instructions
    assert run.original == "RUN dir c:\\ foo"
    assert (file.escape, file.directives["escape"].value) == ("`", "`")


def test_directives_end_at_the_first_other_line() -> None:
    file = parse("# syntax=docker/dockerfile:1\n# check=skip=all\n#\n# escape=`\nFROM a\n")
    assert set(file.directives) == {"syntax", "check"}


def test_a_byte_order_mark_and_bytes_that_are_not_utf8_are_borne() -> None:
    file = parse(b"\xef\xbb\xbfFROM a\nLABEL x=\xff\n")
    (label,) = file.stages[0].instructions
    assert isinstance(label, ins.Label)
    assert label.pairs == (("x", "\udcff"),)
    assert file.warnings[0].span == Span(2, 9, 2, 10)


def test_an_empty_continuation_is_a_warning_at_its_line() -> None:
    file = parse("FROM a\nRUN x \\\n\n  y\n")
    assert [(warning.span.start_line) for warning in file.warnings] == [3]


def test_all_faults_of_a_file_are_told_at_once() -> None:
    text = "FROM a b\nCPOY x y\nCOPY --form=a --chmod=1 --chmod=2 x y\nWORKDIR\nENV x\n"
    assert faults_of(text) == [
        "FROM needs one argument or three",
        'unknown instruction "CPOY"',
        'unknown flag "--form" of COPY',
        'flag "--chmod" is given twice',
        "WORKDIR needs exactly one argument",
        '"x" has no value',
    ]


def test_a_fault_is_shown_with_its_lines_a_caret_and_a_suggestion() -> None:
    with pytest.raises(DockerfileErrors) as caught:
        parse("FROM a\n\nRUN x\nCOPY --chmod=1 \\\n  --form=b x y\n", name="web/Dockerfile")
    assert caught.value.render() == (
        'web/Dockerfile:5:3: unknown flag "--form" of COPY\n'
        "3 |     RUN x\n"
        "4 |     COPY --chmod=1 \\\n"
        "5 | >>>   --form=b x y\n"
        "  |       ^^^^^^\n"
        'hint: did you mean "--from"?'
    )
    assert str(caught.value) == 'web/Dockerfile:5:3: unknown flag "--form" of COPY'


def test_control_characters_of_a_hostile_file_do_not_reach_the_terminal() -> None:
    with pytest.raises(DockerfileErrors) as caught:
        parse("FROM a\nFOO \x1b[2J\x07\n")
    assert "\x1b" not in caught.value.render()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no instructions"),
        ("# nothing\n", "no instructions"),
        ("RUN x\nFROM a\nRUN y\n", "RUN stands before the first FROM"),
        ("FROM a AS 1x\n", '"1x" cannot name a stage'),
        ("FROM a\nRUN <<E\nx\n", 'the heredoc "E" is not closed'),
        ("FROM a\nCOPY x <<E\nE\n", "the destination of COPY cannot be a heredoc"),
        ("FROM a\nCOPY x\n", "COPY needs at least one source and a destination"),
        ("FROM a\nRUN --network=nnoe x\n", '"nnoe" is no network of RUN'),
        ("FROM a\nHEALTHCHECK --interval=1 CMD x\n", '--interval: "1" is no duration'),
        ("FROM a\nHEALTHCHECK --retries=-1 CMD x\n", '--retries is "-1", expected a count'),
        ("FROM a\nHEALTHCHECK NONE x\n", "HEALTHCHECK NONE takes no arguments"),
        ("FROM a\nONBUILD FROM b\n", "ONBUILD cannot trigger FROM"),
        ("FROM a\nONBUILD ONBUILD RUN b\n", "ONBUILD cannot trigger another ONBUILD"),
        ('FROM a\nVOLUME ["a", " "]\n', "VOLUME has a path that is empty"),
        ('FROM a\nCMD ["a", 1]\n', "a JSON array of an instruction may hold strings only"),
        ("FROM a\nSHELL sh -c\n", "SHELL needs its arguments as a JSON array"),
        ("FROM a\nENV =x\n", "ENV has a name that is empty"),
        ("FROM a\nARG =x\n", "ARG has a name that is empty"),
        ("FROM a\nENV a=b c\n", '"c" has no "="'),
        ("FROM a\nCOPY --link=maybe a b\n", 'flag "--link" is "maybe", expected true or false'),
        ("FROM a\nCOPY --chown a b\n", 'flag "--chown" has no value'),
        ("FROM a\nCMD --x y\n", 'unknown flag "--x" of CMD'),
        ("# escape=x\nFROM a\n", '"x" cannot be the escape'),
        ("# escape=`\n# escape=`\nFROM a\n", 'only one directive "escape" is allowed'),
        ("FROM a\nRUN x\0y\n", "a NUL character"),
        ("FROM a\nRUN " + "x" * 65532 + "\n", "a line of 65536 bytes, 65535 are allowed"),
        (b"\xff\xfeF\0R\0", "UTF-16 text"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_wrong_is_refused(text: str | bytes, message: str) -> None:
    assert faults_of(text) == [message]


@pytest.mark.parametrize("text", ["", "RUN a\nRUN b", "FROM\n"])
def test_a_trigger_is_exactly_one_instruction(text: str) -> None:
    with pytest.raises(Invalid):
        instruction(text)


def test_instructions_are_values() -> None:
    (one,) = stage_of("USER a")
    (other,) = stage_of("USER a")
    assert one == other
    assert hash(one) == hash(other)
    assert values.replace(one, keyword="user") != one
    with pytest.raises(AttributeError):
        one.name = "x"  # type: ignore[misc]
