import gzip
import io
import os
import tarfile

import pytest

from shoal.errors import ArtifactRefused
from shoal_serving.artifacts import Cache


def member(name, content=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def packed(*members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def header(**fields):
    return member("model", **fields)[0].tobuf(tarfile.GNU_FORMAT)


@pytest.fixture
def fetch(tmp_path):
    """Fetch an archive of these bytes from a folder of its own."""

    def fetch(content, limit=1 << 20, **more):
        archive = tmp_path / "model.tar.gz"
        archive.write_bytes(content)
        return Cache(tmp_path / "cache", max_artifact_bytes=limit).fetch(archive.as_uri(), **more)

    return fetch


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_an_archive_becomes_its_files(fetch):
    artifact = fetch(packed(member("./config.json", b"{}"), member("onnx/model.onnx", b"weights")))
    assert names(artifact.folder) == ["config.json", "onnx/model.onnx"]
    assert artifact.size == 9


def test_an_archive_of_one_folder_is_that_folder(fetch):
    artifact = fetch(packed(member("alarm/config.json", b"{}"), member("alarm/a/b", b"")))
    assert names(artifact.folder) == ["a/b", "config.json"]


def test_what_gnu_tar_makes_is_understood(fetch, folder, tmp_path):
    os.system(f"tar -chzf {tmp_path}/made.tgz -C {folder} .")
    assert names(fetch((tmp_path / "made.tgz").read_bytes()).folder) == [
        "config.json",
        "onnx/model.onnx",
    ]


def test_an_archive_over_http_is_unpacked_and_known_by_its_own_digest(cache, server):
    uri = server.put("/model.tgz", packed(member("config.json", b"{}")))
    artifact = cache.fetch(uri)
    assert names(artifact.folder) == ["config.json"]
    assert cache.fetch(uri, digest=artifact.digest) == artifact


def test_modes_and_owners_are_not_taken_over(fetch):
    artifact = fetch(packed(member("run", b"x", mode=0o4777), member("more", b"x")))
    assert (artifact.folder / "run").stat().st_mode & 0o7777 == 0o444


@pytest.mark.parametrize(
    "bad",
    [
        member("/evil", b"x"),
        member("../evil", b"x"),
        member("a/../../evil", b"x"),
        member("..", type=tarfile.DIRTYPE),
        member("a\\evil", b"x"),
        member("a\nb", b"x"),
        member("x" * 300, b"x"),
        member("a/" * 40 + "x", b"x"),
        member("evil", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("evil", type=tarfile.SYMTYPE, linkname="good"),
        member("evil", type=tarfile.LNKTYPE, linkname="good"),
        member("evil", type=tarfile.FIFOTYPE),
        member("evil", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
        member("evil", type=tarfile.BLKTYPE, devmajor=8),
        member("evil", type=tarfile.GNUTYPE_SPARSE),
        member("good", b"again"),
        member("good/below", b"a file"),
        member("folder", b"a folder before"),
    ],
    ids=lambda bad: f"{bad[0].type.decode()} {bad[0].name[:20]!r}",
)
def test_what_no_model_needs_refuses_the_whole_archive(fetch, tmp_path, bad):
    good = (member("good", b"x"), member("folder/x", b"x"))
    with pytest.raises(ArtifactRefused):
        fetch(packed(*good, bad))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "model.tar.gz"]
    assert not list((tmp_path / "cache").rglob("good"))


BROKEN = {
    "empty": (b"", "not a sound"),
    "no gzip": (b"no gzip", "not a sound"),
    "no tar": (gzip.compress(b"no tar"), "not a sound"),
    "cut": (packed(member("model", b"x" * 999))[:-20], "not a sound"),
    "wrong checksum": (packed(member("model", b"x"))[:-8] + b"\0" * 8, "not a sound"),
    "cut inside": (gzip.compress(header(size=999) + b"short"), "not a sound"),
    "only the end": (gzip.compress(bytes(10240)), "holds no files"),
    "no members": (packed(), "holds no files"),
    "no header": (gzip.compress(header() + b"x" * 512 + header()), "broken header"),
    "backwards": (gzip.compress(header(size=-(1 << 40))), "backwards"),
    "names of names": (
        gzip.compress((header(type=tarfile.GNUTYPE_LONGNAME, size=1) + bytes(512)) * 3000),
        "not a sound",
    ),
    "sparse without a map": (
        packed(
            member("model", b"x", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})
        ),
        "not a sound",
    ),
    "long header": (gzip.compress(header(type=tarfile.XHDTYPE, size=1 << 40)), "too long"),
    "long name": (gzip.compress(header(type=tarfile.GNUTYPE_LONGNAME, size=1 << 40)), "too long"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_or_malicious_archive_is_refused(fetch, case):
    content, says = BROKEN[case]
    with pytest.raises(ArtifactRefused, match=says):
        fetch(content)


def test_a_bomb_is_refused_before_it_fills_the_disk(fetch, tmp_path):
    bomb = packed(member("model", bytes(64 << 20)))
    assert len(bomb) < 100_000
    with pytest.raises(ArtifactRefused, match="the limit is 1 MiB"):
        fetch(bomb)
    assert not list((tmp_path / "cache" / "partial").iterdir())


def test_more_files_than_a_model_has_are_refused(fetch):
    with pytest.raises(ArtifactRefused, match="more than 10000 files"):
        fetch(packed(*[member("folder", type=tarfile.DIRTYPE)] * 10_001), limit=64 << 20)


def test_progress_of_unpacking_never_goes_back_and_ends_at_the_total(fetch):
    seen = []
    content = packed(*(member(f"{n}", os.urandom(50_000)) for n in range(9)))
    fetch(content, progress=lambda step, *done: step == "unpack" and seen.append(done))
    assert seen == sorted(seen)
    assert seen[-1] == (len(content), len(content))
