"""Goals of calls: fields from the signature, words, the command, the code, and what stands in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

import kvmnb
from kvmnb.forms.calls import call_goal, stands_in_the_way
from kvmnb.forms.draft import check_draft
from kvmnb.forms.looking import Where, lines_html, read_folder
from kvmnb.forms.mounting import copy_out_goal, left_over, mount_goal, release_left, unmount_goal
from kvmnb.guests.copying import copy_in
from kvmnb.guests.logs import tail_mounted
from kvmnb.host import Host
from kvmnb.schema import LOGS, LS, MOUNTS
from kvmnb.storage.model import Problem
from kvmnb.storage.roles import Role

_HOSTILE = "<img src=x onerror=alert(1)>\n\udcff'"


@pytest.fixture(autouse=True)
def _mounts_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def test_fields_are_read_off_the_signature() -> None:
    goal = call_goal(copy_in, lambda _told: "", lambda _told: [], leave_out=("device",))
    roles = {field.name: (field.role, field.required) for field in goal.fields}
    assert roles == {
        "guest": (Role.GUEST, True),
        "files": (Role.FILE, True),
        "folder": (Role.TEXT, True),
    }
    assert goal.title.startswith("Copy files and folders of this machine into a guest")
    assert goal.fields[0].help == "The guest's name."


def test_mounting_is_for_reading_unless_that_is_unticked(made_up: Host) -> None:
    goal = mount_goal()
    assert [(field.name, field.default) for field in goal.fields] == [
        ("guest", None),
        ("device", ""),
        ("readonly", True),
    ]
    draft = check_draft(goal, made_up, {"guest": "test", "device": "/dev/sda1"})
    assert draft.look is not None
    assert draft.look.lines[0].words == (
        "Mount /dev/sda1 of guest 'test' for reading only, in a new folder of your own"
    )
    assert draft.look.lines[0].command == "guestmount --ro --domain=test -m /dev/sda1 FOLDER"
    assert draft.code.startswith("with kvmnb.mount(host, guest='test', device='/dev/sda1') as root:\n")
    draft = check_draft(goal, made_up, {"guest": "test", "readonly": False})
    assert draft.look is not None
    assert "WRITING" in draft.look.lines[0].words
    assert draft.look.lines[0].command == "guestmount --rw --domain=test -i FOLDER"


def test_what_a_call_refuses_stands_beside_its_field(made_up: Host) -> None:
    # The made-up host's guest runs, and its disk does not exist.
    draft = check_draft(mount_goal(), made_up, {"guest": "test", "readonly": False})
    assert not draft.ready
    assert "test" in draft.beside["guest"][0]
    draft = check_draft(mount_goal(), made_up, {"guest": "gone"})
    assert "There is no guest 'gone'" in draft.beside["guest"][0]


def test_what_is_not_chosen_stands_in_the_way(made_up: Host) -> None:
    draft = check_draft(unmount_goal(lambda: ""), made_up, {})
    assert draft.missing == ("a mount, chosen in the table of mounts",)
    assert (draft.ready, draft.elsewhere) == (False, ())
    with pytest.raises(kvmnb.KvmnbError, match="Nothing is chosen"):
        unmount_goal(lambda: "").run(made_up, {}, lambda _words: lambda _done, _total: None)


def test_copying_what_has_a_hostile_name(made_up: Host, tmp_path: Path) -> None:
    goal = copy_out_goal(lambda: {"guest": "test", "paths": f"/home/{_HOSTILE}"})
    draft = check_draft(goal, made_up, {"folder": str(tmp_path)})
    assert draft.look is not None
    command = draft.look.lines[0].command
    assert command.startswith("virt-copy-out -d test $'/home/<img")
    assert command.isprintable()
    assert draft.look.lines[0].words.isprintable()
    compile(draft.code, "cell", "exec")
    assert draft.code.isprintable()


def test_copying_replaces_nothing(made_up: Host, tmp_path: Path) -> None:
    (tmp_path / "fstab").symlink_to("/nowhere")
    goal = copy_out_goal(lambda: {"guest": "test", "paths": "/etc/fstab"})
    draft = check_draft(goal, made_up, {"folder": str(tmp_path)})
    assert "There is something at" in draft.beside["folder"][0]
    draft = check_draft(goal, made_up, {"folder": str(tmp_path / "gone")})
    assert "There is no folder" in draft.beside["folder"][0]


def test_only_what_the_kit_says_stands_in_the_way() -> None:
    def refuse() -> None:
        raise kvmnb.KvmnbError("It is so", "leave it")

    assert list(stands_in_the_way(refuse, "f")) == [Problem("It is so", "leave it", "f")]
    assert list(stands_in_the_way(lambda: None)) == []
    with pytest.raises(ZeroDivisionError):
        list(stands_in_the_way(lambda: 1 / 0))


def test_places_in_a_guest() -> None:
    root = Where("vm1")
    assert root.child("etc").child(_HOSTILE).path == f"/etc/{_HOSTILE}"
    assert root.child("etc").child(_HOSTILE).parent().path == "/etc"
    assert root.child("etc").parent().path == root.parent().path == "/"
    assert Where("vm1", "/dev/sda1").arguments() == {"guest": "vm1", "device": "/dev/sda1"}


def test_without_a_guest_nothing_is_read(made_up: Host) -> None:
    frame = read_folder(made_up, Where())
    assert frame.empty
    assert list(frame.columns) == list(LS.names)


def test_the_last_lines_of_a_mounted_file(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "secret"
    (root / "var").mkdir(parents=True)
    outside.write_text("of this machine")
    (root / "var/log").write_text("1\n2\n3\n" + _HOSTILE.partition("\n")[0] + "\n")
    (root / "var/link").symlink_to(outside)
    (root / "var/empty").touch()
    frame = tail_mounted(root, "/var/log", 2)
    assert list(frame["line"]) == ["3", "<img src=x onerror=alert(1)>"]
    assert "<img" not in lines_html(frame)
    assert "&lt;img" in lines_html(frame)
    assert "there is nothing in it" in lines_html(tail_mounted(root, "/var/empty"))
    assert "it is no file" in lines_html(tail_mounted(root, "/var"))
    (root / "var/long").write_text("".join(f"{number:07}\n" for number in range(200_000)))
    # Only the end of it is read, and the line that it begins within is left out.
    assert tail_mounted(root, "/var/long", 200_000)["line"].str.fullmatch("[0-9]{7}").all()
    with pytest.raises(kvmnb.KvmnbError, match="There is no"):
        tail_mounted(root, "/var/link")


def test_lines_that_are_no_text_are_not_shown() -> None:
    row = dict.fromkeys(LOGS.names) | {"log": "/l"}
    frame = LOGS.build(
        ({**row, "line": line} for line in ("a\0b", "x" * 10_000)), **dict.fromkeys(LOGS.attrs)
    )
    shown = lines_html(frame)
    assert "(this is no text)" in shown
    assert len(shown) < 5_000


def test_only_what_crashes_left_is_cleared() -> None:
    statuses = ("mounted", "stale", "dead", "unfinished")
    row = dict.fromkeys(MOUNTS.names)
    frame = MOUNTS.build({**row, "path": f"/{status}", "status": status} for status in statuses)
    assert left_over(frame) == ["/stale", "/dead"]
    assert release_left().empty
