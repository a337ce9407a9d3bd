import pytest

from lamina.oci.distribution.challenge import BadChallenge, Challenge, parse_challenges


def test_several_challenges_in_one_header() -> None:
    assert parse_challenges('Negotiate, Basic realm="a, b", Bearer realm=x , scope="y"') == [
        Challenge("negotiate", {}),
        Challenge("basic", {"realm": "a, b"}),
        Challenge("bearer", {"realm": "x", "scope": "y"}),
    ]


def test_an_empty_header_has_no_challenge() -> None:
    assert parse_challenges(" , ") == []


@pytest.mark.parametrize(
    "header",
    ['Basic realm="', 'Basic realm="a\\', "Basic realm", "Basic realm=", "=", "Basic a=b c=d"],
)
def test_a_malformed_header_is_refused(header: str) -> None:
    with pytest.raises(BadChallenge):
        parse_challenges(header)
