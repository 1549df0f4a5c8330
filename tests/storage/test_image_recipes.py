"""Recipes for images: a path or a name in a pool, the format looked up, the refresh a step of its own."""

from __future__ import annotations

from typing import Any

import pytest

import kvmnb
from kvmnb.errors import BadValue
from tests.storage.builders import MIB, Site, define_guest, file_disk, qemu_img


def _steps(plan: kvmnb.Plan) -> list[str]:
    return [type(action).__name__ for action in plan.actions]


def test_an_image_in_a_pool_is_seen_by_libvirt_afterwards(site: Site) -> None:
    site.running()
    plan = kvmnb.create_image(
        site.host, pool=site.pool, volume="a.qcow2", size="8M", options={"cluster_size": "1M"}
    )
    assert _steps(plan) == ["CreateImage", "RefreshPool"]
    assert any("lies in the folder of pool 'vm disk'" in str(p) for step in plan for p in step.warnings)
    assert site.host.apply(plan)["verified"].all()
    (volume,) = site.host.volumes(site.pool).itertuples()
    assert (volume.name, volume.format, volume.capacity) == ("a.qcow2", "qcow2", 8 * MIB)

    again = kvmnb.create_image(
        site.host, site.target / "a.qcow2", "8M", options="cluster_size=1M"
    )  # by its path it is the same
    assert _steps(again) == ["CreateImage", "RefreshPool"]
    assert again[0].already


def test_an_image_elsewhere_needs_no_refresh(site: Site) -> None:
    site.running()
    assert _steps(kvmnb.create_image(site.host, site.folder / "a.raw", "1M", format="raw")) == ["CreateImage"]


def test_an_overlay_takes_format_and_size_from_the_volume_below(site: Site) -> None:
    site.running().volume("base.qcow2")
    plan = kvmnb.create_overlay(site.host, pool=site.pool, volume="top", backing_volume="base.qcow2")
    assert site.host.apply(plan)["verified"].all()
    (top,) = site.host.volumes(site.pool).query("name == 'top'").itertuples()
    assert (top.capacity, top.backing_path) == (8 * MIB, str(site.target / "base.qcow2"))
    assert top.backing_format == "qcow2"

    smaller = kvmnb.create_overlay(
        site.host, site.folder / "o", backing_path=str(top.path), backing_format="qcow2", size="1M"
    )
    assert any("would be smaller" in str(problem) for problem in smaller.problems)


def test_a_volume_is_converted_into_a_pool(site: Site) -> None:
    site.running().raw("a.raw", b"data" * 1000)
    plan = kvmnb.convert_image(
        site.host,
        source_pool=site.pool,
        source_volume="a.raw",
        target_pool=site.pool,
        target_volume="b.qcow2",
        compress=True,
    )
    assert _steps(plan) == ["ConvertImage", "RefreshPool"]
    report = site.host.apply(plan)
    assert report["verified"].all()
    assert set(site.host.volumes(site.pool)["name"]) == {"a.raw", "b.qcow2"}

    undo = site.host.undo(report, confirm="b.qcow2")
    site.host.apply([*undo.actions, kvmnb.RefreshPool(site.pool)])
    assert set(site.host.volumes(site.pool)["name"]) == {"a.raw"}


def test_a_plan_of_several_images_is_checked_as_if_its_steps_were_done(site: Site) -> None:
    first, second = str(site.folder / "a.raw"), str(site.folder / "b.qcow2")
    plan = site.host.plan(
        kvmnb.CreateImage(first, 8 * MIB, "raw"),
        kvmnb.ConvertImage(first, "raw", second),
        kvmnb.CreateSnapshot(second, "clean"),
        kvmnb.ResizeImage(second, "qcow2", 16 * MIB),
        kvmnb.DeleteSnapshot(second, "clean", confirm="clean"),
        kvmnb.DeleteImage(first, confirm="a.raw"),
        title="All of it",
    )
    assert plan.problems == ()
    assert site.host.apply(plan)["verified"].all()
    assert [path.name for path in site.folder.iterdir()] == ["b.qcow2"]


def test_a_failing_step_has_the_images_before_it_removed(site: Site) -> None:
    first, bad = str(site.folder / "a.qcow2"), str(site.folder / "b.vmdk")
    plan = site.host.plan(kvmnb.CreateImage(first, MIB), kvmnb.CreateImage(bad, MIB, "vmdk", "subformat=x"))
    with pytest.raises(kvmnb.KvmnbError, match="what had been done before was undone"):
        site.host.apply(plan)
    assert list(site.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "needs one place"),
        ({"path": "/a", "pool": "p", "volume": "v"}, "needs one place"),
        ({"pool": "p"}, "needs one place"),
        ({"pool": "absent", "volume": "v"}, "no pool 'absent'"),
        ({"pool": "vm disk", "volume": "../v"}, "lead out of the pool's folder"),
    ],
)
def test_a_place_must_be_said_once(site: Site, fields: dict[str, str], words: str) -> None:
    site.running()
    with pytest.raises(BadValue, match=words):
        kvmnb.create_image(site.host, size="1M", **fields)


def test_a_source_must_be_said_once(site: Site) -> None:
    site.running()
    for source, volume in (("", ""), ("/a", "v")):
        with pytest.raises(BadValue, match="The image to take was said"):
            kvmnb.convert_image(
                site.host, source, site.folder / "b", source_pool=site.pool, source_volume=volume
            )
    with pytest.raises(BadValue, match="no volume 'absent'"):
        kvmnb.convert_image(
            site.host, source_pool=site.pool, source_volume="absent", target=site.folder / "b"
        )


def _copied(site: Site, volume: str, **fields: Any) -> kvmnb.Plan:  # noqa: ANN401 - of the recipe
    return kvmnb.convert_image(
        site.host, source_pool=site.pool, source_volume=volume, target=site.folder / "new", **fields
    )


def test_a_header_that_a_guest_may_have_written_is_not_believed(site: Site) -> None:
    site.running().raw("other.img", b"secret" * 1000)
    qemu_img("create", "-u", "-f", "qcow2", "-b", "other.img", "-F", "raw", site.target / "vm1.img", "8M")
    site.refresh()
    define_guest(site, "vm1", file_disk(site.target / "vm1.img", "raw"))
    with pytest.raises(BadValue, match="is qcow2 by its first bytes, while guests take it for raw"):
        _copied(site, "vm1.img")
    with pytest.raises(BadValue, match="Say backing_format"):
        kvmnb.create_overlay(site.host, site.folder / "o", backing_pool=site.pool, backing_volume="vm1.img")
    assert _copied(site, "vm1.img", source_format="raw").problems == ()


def test_an_installation_medium_is_raw_and_a_folder_is_no_image(site: Site) -> None:
    site.running()
    (site.target / "a.iso").write_bytes(bytes(32768) + b"\1CD001\1" + bytes(32768))
    (site.target / "folder").mkdir()
    site.refresh()
    assert site.host.volumes(site.pool).query("name == 'a.iso'")["format"].tolist() == ["iso"]
    assert site.host.apply(_copied(site, "a.iso"))["verified"].all()
    with pytest.raises(BadValue, match="'folder' of pool 'vm disk' is of type dir"):
        _copied(site, "folder")


@pytest.mark.parametrize("value", [None, 5, b"a"])
def test_what_is_no_text_is_named_by_its_field(site: Site, value: Any) -> None:  # noqa: ANN401 - wrong on purpose
    site.running()
    new, copy, lie = kvmnb.create_image, kvmnb.convert_image, kvmnb.create_overlay
    for recipe, field, fields in (
        (new, "path", {}),
        (new, "pool", {"volume": "a"}),
        (new, "volume", {"pool": site.pool}),
        (copy, "source", {"target": "/b"}),
        (copy, "source_volume", {"source_pool": site.pool, "target": "/b"}),
        (copy, "source_format", {"source": "/a", "target": "/b"}),
        (lie, "backing_path", {"path": "/b"}),
    ):
        with pytest.raises(BadValue, match=f"The {field.replace('_', ' ')} of an image is text"):
            recipe(site.host, **{**fields, field: value})
