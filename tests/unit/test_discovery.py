"""Which files a pattern names, and in what order."""

import os

import pytest

from pile_curate.discovery import discover, matches
from pile_curate.errors import InputError

FILES = [
    "b.txt",
    "a.txt",
    "A.txt",
    ".hidden.txt",
    "d/one.txt",
    "d/deep/two.txt",
    "d/deep/x.bz2",
    "e/.git/config",
]


@pytest.fixture
def root(tmp_path):
    for name in FILES:
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return str(tmp_path / "root")


def rels(root, *patterns):
    return [f.rel for f in discover(root, patterns)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", [".hidden.txt", "A.txt", "a.txt", "b.txt"]),
        ("a.txt", ["a.txt"]),
        ("./a.txt", ["a.txt"]),
        ("[ab].txt", ["a.txt", "b.txt"]),
        ("**/*.txt", [".hidden.txt", "A.txt", "a.txt", "b.txt", "d/deep/two.txt", "d/one.txt"]),
        ("d", ["d/deep/two.txt", "d/deep/x.bz2", "d/one.txt"]),
        ("d/", ["d/deep/two.txt", "d/deep/x.bz2", "d/one.txt"]),
        ("d/*", ["d/deep/two.txt", "d/deep/x.bz2", "d/one.txt"]),
        ("d/**", ["d/deep/two.txt", "d/deep/x.bz2", "d/one.txt"]),
        ("*/deep/?wo.txt", ["d/deep/two.txt"]),
        ("**/config", ["e/.git/config"]),
        (".", sorted(FILES)),
        ("**", sorted(FILES)),
    ],
)
@pytest.mark.parametrize("remote", [False, True])
def test_patterns(root, pattern, expected, remote):
    assert rels(f"file://{root}" if remote else root, pattern) == expected


def test_each_file_comes_once_and_the_order_of_patterns_does_not_matter(root):
    assert rels(root, "d", "*.txt", "**/two.txt") == rels(root, "**/two.txt", "*.txt", "d")
    assert len(rels(root, "d", "d/**")) == 3


def test_sizes_and_times_are_of_the_file(root):
    (file,) = discover(root, ["a.txt"])
    info = os.stat(os.path.join(root, "a.txt"))
    assert (file.size, file.mtime_ns) == (5, info.st_mtime_ns)
    with open(file.path) as handle:
        assert handle.read() == "a.txt"


@pytest.mark.parametrize("remote", [False, True])
def test_a_pattern_without_a_match_is_named(root, remote):
    with pytest.raises(InputError, match=r"'\*\.warc' matches no file"):
        discover(f"file://{root}" if remote else root, ["a.txt", "*.warc"])


@pytest.mark.parametrize("pattern", ["/etc/passwd", "../x", "d/../../x", "", "s3://b/k"])
def test_a_pattern_may_not_leave_the_root(root, pattern):
    with pytest.raises(InputError, match="relative|leave"):
        discover(root, [pattern])


def test_a_missing_root_is_an_error(tmp_path):
    with pytest.raises(InputError, match="not a folder"):
        discover(str(tmp_path / "none"), ["*"])


@pytest.mark.parametrize("pattern", ["*", "**", "out", "out/secret.txt", "."])
def test_links_out_of_the_root_are_refused(root, tmp_path, pattern):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("s")
    os.symlink(tmp_path / "outside", os.path.join(root, "out"))
    with pytest.raises(InputError, match="leads outside"):
        discover(root, [pattern])


def test_a_sibling_with_the_roots_name_as_prefix_is_outside(root, tmp_path):
    (tmp_path / "root2").mkdir()
    (tmp_path / "root2" / "x").write_text("s")
    os.symlink(tmp_path / "root2" / "x", os.path.join(root, "link"))
    with pytest.raises(InputError, match="leads outside"):
        discover(root, ["link"])


def test_links_inside_the_root_are_followed_but_loops_are_not(root):
    os.symlink("a.txt", os.path.join(root, "link.txt"))
    os.symlink(".", os.path.join(root, "loop"))
    assert "link.txt" in rels(root, "*.txt")
    assert rels(root, "**/a.txt") == ["a.txt"]
    assert rels(root, "loop/a.txt") == ["loop/a.txt"]


def test_a_link_to_nothing_is_an_error_not_a_gap(root):
    os.symlink("nowhere", os.path.join(root, "dangling.txt"))
    with pytest.raises(InputError, match="cannot look at"):
        discover(root, ["*.txt"])


def test_what_is_no_regular_file_is_refused(root):
    os.mkfifo(os.path.join(root, "pipe"))
    with pytest.raises(InputError, match="not a regular file"):
        discover(root, ["*"])


def test_a_name_that_is_not_utf8_becomes_text_and_still_opens(root):
    with open(os.path.join(os.fsencode(root), b"caf\xe9.txt"), "wb") as handle:
        handle.write(b"x")
    (file,) = discover(root, ["caf*"])
    assert file.rel == "caf\\xe9.txt"
    file.rel.encode()
    with open(file.path, "rb") as handle:
        assert handle.read() == b"x"


def test_matches_needs_the_whole_pattern():
    assert not matches(("a",), ("a", "b"))
    assert matches(("a", "b"), ("a",))
    assert matches(("x", "y", "z.gz"), ("**", "*.gz"))
    assert not matches(("x", "y", "z.bz2"), ("**", "*.gz"))
