"""The cache folder: where it lies, who may write it, and what goes by itself."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from der_gym.engine import cache

owned = pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders have no owner here")


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the cache be in a folder of its own, as in a new process."""
    monkeypatch.setenv("DER_GYM_CACHE", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(cache, "_folders", {})
    monkeypatch.setattr(cache, "_warned", set())
    monkeypatch.setattr(cache, "_new_bytes", {})


def test_the_cache_home_is_named_by_variables_or_lies_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DER_GYM_CACHE", "/named")
    assert cache.cache_home() == Path("/named")
    monkeypatch.delenv("DER_GYM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache.cache_home() == Path("/xdg/der_gym")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert cache.cache_home() == Path.home() / ".cache" / "der_gym"

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert cache.cache_home() == cache.temporary_home()


@owned
def test_folders_are_made_for_this_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert cache.folder("kernels") == tmp_path / "home" / "kernels"
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "home", tmp_path / "home" / "kernels")] == [0o700] * 2


@owned
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
@pytest.mark.parametrize("inside", ["", "kernels"])
def test_a_folder_that_others_may_write_is_refused_with_one_warning(mode: int, inside: str, tmp_path: Path) -> None:
    (tmp_path / "home" / "kernels").mkdir(parents=True)
    (tmp_path / "home" / inside).chmod(mode)
    with pytest.warns(UserWarning, match="others may write there") as given:
        found = cache.folder("kernels")
        assert cache.folder("kernels") == found
    assert len(given) == 1 and found == cache.temporary_home() / "kernels"


@owned
def test_another_users_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    with pytest.warns(UserWarning) as given:
        assert cache.folder("kernels") is None  # the temporary one is not that user's either
    assert str(given[0].message).startswith(f"cache folder {tmp_path / 'home'}: others")


@owned
def test_a_temporary_folder_that_is_not_ones_own_does_not_serve(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("no folder", encoding="utf-8")
    cache.temporary_home().mkdir()
    cache.temporary_home().chmod(0o777)
    with pytest.warns(UserWarning, match="compiles anew"):
        assert cache.folder("kernels") is None
    cache.temporary_home().rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    cache.temporary_home().symlink_to(tmp_path / "elsewhere")
    cache._folders.clear()
    assert cache.folder("kernels") is None


def test_a_place_that_cannot_be_written_is_passed_over_in_silence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("no folder", encoding="utf-8")
    assert cache.folder("pools") == cache.temporary_home() / "pools"


def put(name: str, unused_s: float, n_byte: int = 10) -> Path:
    """Put a file into the folder that was last used so long ago."""
    path = cache.cache_home() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * n_byte)
    moment = time.time() - unused_s
    os.utime(path, (moment, moment))
    return path


DAY_S = 86_400


def test_files_go_by_age_then_by_size_the_longest_unused_first() -> None:
    old, older = put("kernels/a.nbc", 31 * DAY_S), put("pools/b.npz", 40 * DAY_S)
    kept = [put(f"pools/{k}.npz", k * DAY_S, 1000) for k in (1, 2, 3)]
    lately = put("pools/now.npz", 60, 5000)
    assert [each.path for each in cache.prune(cache.cache_home())] == [older, old]
    assert [each.path for each in cache.prune(cache.cache_home(), largest_bytes=7000)] == [kept[2]]
    assert [each.path for each in cache.prune(cache.cache_home(), largest_bytes=0)] == [kept[1], kept[0]]
    assert cache.prune(cache.cache_home(), 0, 0) == [] and lately.exists()  # used within the hour


@pytest.mark.parametrize("name", [".a.npz.x81k", "sub/a.nbc.tmp.0123456789abcdef"])
def test_what_a_killed_process_left_goes_after_an_hour(name: str) -> None:
    path = put(f"pools/{name}", 3000)
    assert cache.prune(cache.cache_home()) == []
    put(f"pools/{name}", 3700)
    assert [each.path for each in cache.prune(cache.cache_home())] == [path] and not path.exists()


def test_folders_of_former_versions_go_once_they_are_empty() -> None:
    put("kernels/0123456789abcdef/core_9c/a.nbi", 31 * DAY_S)
    put("kernels/0123456789abcdef/core_9c/a.1.nbc", 31 * DAY_S)
    assert len(cache.prune(cache.cache_home())) == 2
    assert list((cache.cache_home() / "kernels").iterdir()) == []


def test_only_what_was_kept_goes_and_links_are_not_followed(tmp_path: Path) -> None:
    mine, elsewhere = put("mine.txt", 99 * DAY_S), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.npz").write_bytes(b"x")
    put("pools/a.npz", 0)
    (cache.cache_home() / "pools" / "link").symlink_to(elsewhere)
    assert [each.path.name for each in cache.clear(cache.cache_home())] == ["a.npz"]
    assert mine.exists() and (elsewhere / "a.npz").exists()


def test_something_new_tidies_the_folder_and_so_does_much_that_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cache.folder("pools")
    assert folder is not None
    old = put("kernels/a.nbc", 31 * DAY_S)
    with cache.new_file(folder / "new.npz") as temporary:
        temporary.write_bytes(b"new")
        assert old.exists()
    assert not old.exists() and [path.name for path in folder.iterdir()] == ["new.npz"]
    put("kernels/a.nbc", 31 * DAY_S)
    with cache.new_file(folder / "new.npz") as temporary:
        temporary.write_bytes(b"newer")
    assert old.exists() and (folder / "new.npz").read_bytes() == b"newer"
    monkeypatch.setattr(cache, "TIDY_BYTES", 100)
    for _ in range(2):
        with cache.new_file(folder / "new.npz") as temporary:
            temporary.write_bytes(60 * b"x")
    assert not old.exists()


def test_a_file_that_fails_leaves_nothing(tmp_path: Path) -> None:
    folder = cache.folder("pools")
    assert folder is not None
    with pytest.raises(ZeroDivisionError), cache.new_file(folder / "new.npz"):
        raise ZeroDivisionError
    assert list(folder.iterdir()) == []


def test_a_use_is_noted() -> None:
    path = put("pools/a.npz", 40 * DAY_S)
    cache.used(path)
    assert cache.prune(cache.cache_home()) == []
    cache.used(path.with_name("gone.npz"))
