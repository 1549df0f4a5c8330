"""The boards of pools and volumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from kvmnb.errors import BadValue
from kvmnb.forms.board import Board, read_in_job
from kvmnb.forms.browse import Browser
from kvmnb.forms.fields import Entered
from kvmnb.forms.form import Form
from kvmnb.forms.goals import Goal, goal_of
from kvmnb.forms.inside import Inside
from kvmnb.forms.picture import Picture
from kvmnb.host import Host
from kvmnb.notebook.charts import chart_pools
from kvmnb.planning import create_pool, create_volume, propose_target, remove_pool
from kvmnb.planning_images import convert_image, create_image, create_overlay
from kvmnb.storage import actions as act
from kvmnb.storage.action import Action
from kvmnb.storage.actions import ACTIONS
from kvmnb.storage.plan import Plan
from kvmnb.storage.roles import Role

_POOL_COLUMNS = (
    "name",
    "state",
    "autostart",
    "type",
    "capacity",
    "allocation",
    "available",
    "volumes",
    "target",
)
_GUEST_COLUMNS = ("name", "state", "persistent", "autostart", "vcpus", "memory", "disks")
_VOLUME_COLUMNS = ("pool", "name", "format", "capacity", "allocation", "used_by", "chain", "path")


def pools(host: Host) -> Board:
    """Make the board of a host's storage pools: a table, a picture of their use, and every action on them.

    Parameters
    ----------
    host : Host
        One that was opened with ``readonly=False`` has the forms, too.

    Returns
    -------
    Board
        Shows itself in a notebook.
    """
    tasks: dict[str, Callable[[], Goal]] = {
        "Set up": lambda: goal_of(create_pool, _propose_target),
        "Take down": lambda: goal_of(remove_pool),
        "Start": lambda: goal_of(act.StartPool),
        "Stop": lambda: goal_of(act.StopPool),
        "Autostart": lambda: goal_of(act.SetPoolAutostart),
        "Refresh": lambda: goal_of(act.RefreshPool),
        "Define": lambda: goal_of(act.DefinePool, _propose_target),
        "Build": lambda: goal_of(act.BuildPool),
        "Delete storage": lambda: goal_of(act.DeletePool),
        "Undefine": lambda: goal_of(act.UndefinePool),
    }
    browser = Browser(host.pools, _POOL_COLUMNS, ("name",), "Storage pools", read_in_job)
    picture = Picture(lambda: chart_pools(browser.frame))
    browser.on_show(picture.refresh)
    return Board(host, browser, tasks, row={Role.POOL: "name"}, beside=[picture.view])


def volumes(host: Host, pool: str | None = None) -> Board:
    """Make the board of a host's volumes: a table, and every action on them.

    Parameters
    ----------
    host : Host
        One that was opened with ``readonly=False`` has the forms, too.
    pool : str, optional
        The volumes of one pool; of all pools without it.

    Returns
    -------
    Board
        Shows itself in a notebook.
    """
    tasks: dict[str, Callable[[], Goal]] = {
        "Create": lambda: goal_of(create_volume),
        "Clone": lambda: goal_of(act.CloneVolume),
        "Resize": lambda: goal_of(act.ResizeVolume),
        "Upload": lambda: goal_of(act.UploadVolume),
        "Download": lambda: goal_of(act.DownloadVolume),
        "Wipe": lambda: goal_of(act.WipeVolume),
        "Delete": lambda: goal_of(act.DeleteVolume),
    }
    browser = Browser(partial(host.volumes, pool), _VOLUME_COLUMNS, ("pool", "name"), "Volumes", read_in_job)
    return Board(host, browser, tasks, row={Role.POOL: "pool", Role.VOLUME: "name"})


def guests(host: Host) -> Board:
    """Make the board of a host's guests: a table, how full they are, and every action on them.

    How full their file systems are is read when that is asked for, since it takes its time.

    Parameters
    ----------
    host : Host
        One that was opened with ``readonly=False`` has the forms, too.

    Returns
    -------
    Board
        Shows itself in a notebook.
    """
    tasks: dict[str, Callable[[], Goal]] = {
        "Start": lambda: goal_of(act.StartGuest),
        "Shut off": lambda: goal_of(act.ShutOffGuest),
        "Define": lambda: goal_of(act.DefineGuest),
        "Undefine": lambda: goal_of(act.UndefineGuest),
    }
    browser = Browser(host.guests, _GUEST_COLUMNS, ("name",), "Guests", read_in_job)
    inside = Inside(host, lambda: (browser.selected or {}).get("name"))
    browser.on_select(lambda _row: inside.enable())
    return Board(host, browser, tasks, row={Role.GUEST: "name"}, below=[inside.view])


def action(kind: Callable[..., Action | Plan], host: Host, **entered: Entered) -> Form:
    """Make the form of any action, or of any recipe.

    Parameters
    ----------
    kind : callable
        An action's class, such as `kvmnb.CloneVolume`, or a recipe, such as `kvmnb.create_pool`.
    host : Host
        Where.
    **entered : str or bool
        What stands in its fields at first.

    Returns
    -------
    Form
        Shows itself in a notebook.

    Raises
    ------
    BadValue
        It is neither.
    """
    recipes = {create_pool, remove_pool, create_volume, create_image, create_overlay, convert_image}
    if kind not in {*ACTIONS.values(), *recipes}:
        raise BadValue(f"{kind!r} is no action", "give the class of one, such as kvmnb.CloneVolume")
    form = Form(goal_of(kind), host)
    unknown = sorted(entered.keys() - form.fields.keys())
    if unknown:
        raise BadValue(
            f"The form has no field {', '.join(unknown)}", f"the fields are: {', '.join(form.fields)}"
        )
    if entered:
        form.fill(**entered)
    return form


def _propose_target(host: Host, entered: Mapping[str, Entered]) -> dict[str, str]:
    name = str(entered.get("name", ""))
    if not name or entered.get("type") not in {"dir", "fs", "netfs"} or "/" in name:
        return {}
    try:
        return {"target": propose_target(host, name)}
    except BadValue:  # a user's own daemon elsewhere: nobody can know from here
        return {}
