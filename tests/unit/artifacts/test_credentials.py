import base64

import pytest

from shoal.errors import ArtifactNotFound, ArtifactUnavailable
from shoal_serving.artifacts import Vault


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def write(folder, said):
    for name, value in said.items():
        (folder / name).write_text(value)


def silent(step, done, total):
    """Nobody listens."""


@pytest.mark.parametrize(
    ("said", "header"),
    [
        ({"ops.s3.token": "abc\n"}, "Bearer abc"),
        (
            {"ops.s3.username": "ada", "ops.s3.password": "söß"},
            "Basic " + base64.b64encode("ada:söß".encode()).decode(),
        ),
        ({"ops.s3.token": "abc", "ops.s3.username": "ada"}, "Bearer abc"),
    ],
)
def test_a_secrets_keys_make_an_authorization(folder, said, header):
    write(folder, said)
    assert Vault("ops", folder).authorization("s3", silent) == header


def test_a_secret_that_is_mounted_late_is_waited_for(folder):
    told = []

    def later(seconds):
        if len(told) == 2:
            write(folder, {"ops.s3.token": "abc"})

    vault = Vault("ops", folder, later)
    assert vault.authorization("s3", lambda *said: told.append(said)) == "Bearer abc"
    assert told == [("credentials", 0, None), ("credentials", 1, None)]


def test_a_secret_that_never_comes_is_unavailable(folder):
    write(folder, {"other.s3.token": "abc", "ops.s33.token": "abc"})
    with pytest.raises(ArtifactUnavailable, match="Secret s3 was not mounted"):
        Vault("ops", folder, lambda seconds: None).authorization("s3", silent)


def test_half_a_pair_is_refused_without_showing_it(folder):
    write(folder, {"ops.s3.password": "hush"})
    with pytest.raises(ArtifactNotFound, match=r"Secret s3 has password, .* half") as caught:
        Vault("ops", folder).authorization("s3", silent)
    assert "hush" not in str(caught.value)


def test_where_nothing_is_mounted_a_secret_cannot_be_had():
    with pytest.raises(ArtifactNotFound, match="no Secrets are mounted"):
        Vault("ops").authorization("s3", silent)
