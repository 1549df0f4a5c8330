"""The frames of pools, volumes, guests and their disks, and of plans and the audit log."""

from __future__ import annotations

from kvmnb.schema.declare import HOST, STATUS, Column, Frame, amount, flag, text

_CHAIN = (
    "the paths of its whole backing chain, nearest first; as far as it could be followed, NA where it could "
    "not be followed at all"
)

POOLS = Frame(
    "pools",
    "storage pool",
    (
        HOST,
        text("name", "the pool's name"),
        text("type", "libvirt's pool type: dir, fs, netfs, logical, disk, iscsi, iscsi-direct …"),
        text("state", "libvirt's word: running, inactive, building, degraded, inaccessible"),
        flag("autostart", "whether the daemon starts it when it starts itself"),
        flag("persistent", "whether it is defined, so that it survives being stopped"),
        amount("capacity", "size of the storage; NA while the pool is not running"),
        amount("allocation", "how much of it is taken, by anyone; NA while the pool is not running"),
        amount("available", "how much of it is free; NA while the pool is not running"),
        Column("volumes", "Int64", "number of volumes; NA while the pool is not running"),
        text("target", "directory under which its volumes appear"),
        text("source", "where the storage comes from: host, device, directory or name"),
        text("source_format", "format of the source: nfs, ext4, lvm2, gpt …"),
        text("uuid", "the pool's UUID"),
        *STATUS,
    ),
    brief=("name", "type", "state", "autostart", "volumes", "capacity", "allocation", "available", "target"),
)

VOLUMES = Frame(
    "volumes",
    "volume of a running pool, and one for each pool whose volumes could not be read",
    (
        HOST,
        text("pool", "the pool it is in"),
        text("name", "the volume's name"),
        text("type", "libvirt's volume type: file, block, dir, network, netdir, ploop"),
        text("format", "format of the image: raw, qcow2 …"),
        amount("capacity", "size that a guest sees"),
        amount("allocation", "what it takes on the host now"),
        amount("physical", "end of the file or device: what ``ls -l`` says"),
        text("path", "where it lies on the host"),
        text("backing_path", "the file or volume that it is an overlay of"),
        text("backing_format", "format of that file"),
        Column("chain", "texts", _CHAIN),
        flag("chain_known", "whether the chain could be followed to its end"),
        Column(
            "used_by",
            "texts",
            "the guests that use it, directly or through a chain, also while they are shut off; NA where "
            "none is known and it cannot be known whether there is one",
        ),
        Column("overlays", "texts", "paths of the volumes of running pools that lie directly on it"),
        text("mode", "permissions, in octal"),
        Column("owner", "Int64", "user id of the owner"),
        Column("group", "Int64", "group id"),
        Column("modified", "time", "when its content last changed"),
        Column("accessed", "time", "when it was last read"),
        Column("changed", "time", "when its inode last changed"),
        *STATUS,
    ),
    brief=("pool", "name", "format", "capacity", "allocation", "physical", "backing_path", "used_by"),
)

GUESTS = Frame(
    "guests",
    "guest (libvirt's domain), running or not",
    (
        HOST,
        text("name", "the guest's name"),
        text("state", "libvirt's word: running, shut off, paused …"),
        flag("persistent", "whether it is defined, so that it survives being stopped"),
        flag("autostart", "whether the daemon starts it when it starts itself"),
        Column("vcpus", "Int64", "number of virtual processors"),
        amount("memory", "the most memory that it may use"),
        Column("disks", "Int64", "number of its disks, with and without a medium"),
        Column("snapshots", "Int64", "number of its snapshots"),
        text("kernel", "kernel on the host that it boots directly"),
        text("initrd", "initial RAM disk on the host that it boots with"),
        text("uuid", "the guest's UUID"),
        *STATUS,
    ),
    brief=("name", "state", "autostart", "vcpus", "memory", "disks", "snapshots"),
)

DISKS = Frame(
    "disks",
    "disk of a guest",
    (
        HOST,
        text("guest", "the guest's name"),
        text("guest_state", "libvirt's word for the guest's state"),
        text("target", "the disk's name in the guest: vda, sdb …"),
        text("device", "disk, cdrom, floppy or lun"),
        text("bus", "virtio, sata, scsi, ide …"),
        text("type", "how the guest names its source: file, block, volume, network, dir …"),
        text("format", "format that the guest is told to use"),
        flag("readonly", "whether the guest may only read it"),
        text("path", "where its source lies on the host; NA where there is no medium"),
        text("pool", "the pool of the volume that it is"),
        text("volume", "the volume that it is; NA where no running pool has it"),
        Column("chain", "texts", _CHAIN),
        flag("chain_known", "whether the chain could be followed to its end"),
        amount("capacity", "size that the guest sees; NA where it is not a volume of a running pool"),
        amount("allocation", "what its top image takes on the host"),
        amount("physical", "end of its top image"),
        *STATUS,
    ),
    brief=("guest", "guest_state", "target", "format", "pool", "volume", "capacity", "allocation", "chain"),
)

PLAN = Frame(
    "plan",
    "step of the plan",
    (
        Column("step", "Int64", "its number, from 1"),
        text("what", "what it does, in words"),
        text("command", "the line that an operator would type"),
        flag("already", "whether it is so already, so that nothing is to be done"),
        Column("problems", "texts", "each reason not to do it"),
        Column("warnings", "texts", "what to know before doing it"),
    ),
)

APPLIED = Frame(
    "applied",
    "thing that was to be true after a step of the plan",
    (
        Column("step", "Int64", "number of the step, from 1"),
        text("what", "what the step does, in words"),
        text("outcome", "done, already so, failed, undone, or not done"),
        flag("changed", "whether the step changed anything"),
        text("check", "what was looked at afterwards"),
        text("expected", "what it was to be"),
        text("actual", "what it was, read anew"),
        flag("verified", "whether they agree; NA where it could not be read"),
    ),
    brief=("step", "outcome", "check", "expected", "actual", "verified"),
)

AUDIT = Frame(
    "audit",
    "line of the audit log",
    (
        Column("time", "time", "when it was written"),
        text("user", "the user who asked for it"),
        text("host", "the host"),
        text("uri", "the libvirt URI"),
        text("event", "intent, then done or failed; unverified where it left something else than expected"),
        text("action", "name of the action"),
        text("what", "what it does, in words"),
        text("command", "the line that an operator would type"),
        text("error", "what went wrong; NA where nothing did"),
        text("id", "joins the intent with its outcome"),
    ),
    brief=("time", "user", "event", "what", "command", "error"),
)

CHECKS = Frame(
    "checks",
    "thing that was looked at",
    (
        text("check", "what was looked at"),
        flag("ok", "whether it is as it should be"),
        text("found", "what was found"),
        text("remedy", "what to do about it; NA where it is as it should be"),
    ),
)
