import os
from pathlib import Path

import pytest

from learnable.errors import WorldError
from learnable.home import data_folder, home, runs_folder


@pytest.mark.parametrize("name", ["plain", "with a space", "mit Ümläuten ☃", "a'b\"c", "[bold]"])
def test_the_folder_is_where_the_variable_says_and_is_made(tmp_path, monkeypatch, name):
    monkeypatch.setenv("LEARNABLE_HOME", str(tmp_path / "deep" / name))
    assert home() == tmp_path / "deep" / name and home().is_dir()
    assert runs_folder() == home() / "runs" and runs_folder().is_dir()
    assert data_folder() == home() / "data" and data_folder().is_dir()


@pytest.mark.parametrize("value", [None, ""])
def test_by_default_it_is_learnable_in_the_users_own(tmp_path, monkeypatch, value):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("LEARNABLE_HOME")
    if value is not None:
        monkeypatch.setenv("LEARNABLE_HOME", value)
    assert home() == tmp_path / "learnable"


def test_a_tilde_and_a_relative_path_are_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("LEARNABLE_HOME", "~/mine")
    assert home() == tmp_path / "mine"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEARNABLE_HOME", "here")
    assert home() == tmp_path / "here" and home().is_absolute()


def test_a_file_in_its_place_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for value in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("LEARNABLE_HOME", str(value))
        with pytest.raises(WorldError, match=r"the folder .*file.* cannot be made \(.*\); set LEARNABLE_HOME"):
            home()


def test_a_file_in_place_of_the_runs_is_said(home):
    home.mkdir()
    (home / "runs").write_text("")
    with pytest.raises(WorldError, match="runs cannot be made"):
        runs_folder()
    assert (home / "runs").is_file()


@pytest.mark.parametrize("lost", [os.R_OK, os.W_OK, os.X_OK])
def test_a_folder_that_may_not_be_used_is_said(monkeypatch, lost):
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & lost)
    with pytest.raises(WorldError, match="cannot be read and written; mend its permissions, or set LEARNABLE_HOME"):
        home()


def test_a_read_only_disk_is_said(monkeypatch):
    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(WorldError, match=r"cannot be made \(Read-only file system\)"):
        home()


def test_a_user_without_a_home_is_told_what_to_do(monkeypatch):
    monkeypatch.setenv("LEARNABLE_HOME", "~nobody-of-this-name/learnable")
    with pytest.raises(WorldError, match="there is no home folder .*; set LEARNABLE_HOME"):
        home()
