//! What needs no network: the device, its header, the file with the key, the keyslots.

use crate::case::{Case, Trouble, case};
use crate::plan::{Fault, Step};

pub fn cases() -> Vec<Case> {
    [device(), header(), read(), decode(), activate()].concat()
}

fn device() -> Vec<Case> {
    let new = |fault, what| case(Step::DeviceWait, fault, what).local();
    let absent = |what, device| new(Fault::Absent, what).device(device).timeout(1);
    let late = |what, after| {
        new(Fault::Late, what)
            .device("{dir}/case/disk")
            .trouble(Trouble::Appears("luks2", "disk", after))
    };
    vec![
        absent("a path", "{dir}/case/disk")
            .exits(4, &["{dir}/case/disk is not there; gave up after 1."]),
        absent("a UUID", "UUID=5f1e0f00-0000-0000-0000-000000000000")
            .exits(4, &["no disk has UUID=5f1e0f00", "gave up after"]),
        absent("a PARTUUID", "PARTUUID=5f1e0f00-01")
            .exits(4, &["no disk has PARTUUID=5f1e0f00-01", "gave up after"]),
        absent("a label", "LABEL=nobody").exits(4, &["no disk has LABEL=nobody", "gave up after"]),
        absent("a LUN", "/dev/disk/azure/scsi1/lun63")
            .exits(4, &["/dev/disk/azure/scsi1/lun63 is not there"]),
        absent("below a file", "{dir}/images/luks2/disk").exits(4, &["is not there"]),
        late("after 300 ms", 300),
        late("after 1.5 s", 1500),
        late("a moment too late", 2500).timeout(1).exits(4, &["is not there; gave up after"]),
        new(Fault::Wrong, "a directory")
            .device("{dir}/images/directory")
            .timeout(1)
            .exits(4, &["is not there"]),
        new(Fault::Wrong, "a FIFO that nobody writes to")
            .device("{dir}/images/fifo")
            .timeout(1)
            .exits(4, &["is not there"]),
        new(Fault::Wrong, "a link to itself")
            .device("{dir}/images/loop")
            .timeout(1)
            .exits(4, &["is not there"]),
        new(Fault::Wrong, "a character device")
            .device("/dev/zero")
            .timeout(1)
            .exits(4, &["is not there"]),
        new(Fault::Refused, "no device at all").device("-").exits(1, &["device"]),
    ]
}

fn header() -> Vec<Case> {
    let new =
        |fault, what, device| case(Step::Header, fault, what).local().device(device).timeout(4);
    let apart = |fault, what: &'static str, header: &'static str| {
        case(Step::Header, fault, what)
            .local()
            .device("{dir}/images/data")
            .options(format!("header={header}"))
    };
    let neither = &["no usable header in", "neither LUKS nor BitLocker"];
    vec![
        new(Fault::Absent, "a file without a byte", "{dir}/images/empty")
            .exits(4, &["no usable header in"]),
        new(Fault::Absent, "zeros", "{dir}/images/zeros").exits(4, neither),
        new(Fault::Garbage, "noise", "{dir}/images/noise").exits(4, neither),
        new(Fault::Wrong, "a file system", "{dir}/images/ext4").exits(4, neither),
        new(Fault::Wrong, "swap", "{dir}/images/swap").exits(4, neither),
        new(Fault::Half, "the disk ends in its metadata", "{dir}/images/half-metadata")
            .exits(4, &["no usable header in"]),
        new(Fault::Half, "the disk ends in its keyslots", "{dir}/images/half-keyslots")
            .exits(4, &["no usable header in {dir}/images/half-keyslots"]),
        new(Fault::Half, "the first copy is gone", "{dir}/images/first-copy-gone"),
        new(Fault::Garbage, "the first copy is torn", "{dir}/images/first-copy-torn"),
        new(Fault::Garbage, "both copies are torn", "{dir}/images/both-copies-torn")
            .exits(4, &["no usable header in"]),
        new(Fault::Oversized, "it says that it has 2^64 bytes", "{dir}/images/oversized")
            .exits(4, &["no usable header in"]),
        new(Fault::Refused, "no keyslot is in use", "{dir}/images/no-keyslot")
            .exits(4, &["no keyslot is in use"]),
        new(Fault::Wrong, "bitlk for a LUKS volume", "{dir}/images/luks2")
            .options("bitlk")
            .exits(4, &["it is LUKS, and its line says bitlk"]),
        apart(Fault::Absent, "apart", "{dir}/case/header").timeout(1).exits(4, &["no such file"]),
        apart(Fault::Late, "apart, after 700 ms", "{dir}/case/header")
            .trouble(Trouble::Appears("luks2", "header", 700)),
        apart(Fault::Half, "apart", "{dir}/images/half-metadata")
            .timeout(4)
            .exits(4, &["no usable header in"]),
        apart(Fault::Garbage, "apart", "{dir}/images/noise")
            .timeout(4)
            .exits(4, &["no usable header in"]),
        apart(Fault::Wrong, "apart, a file system", "{dir}/images/ext4")
            .timeout(4)
            .exits(4, &["no usable header in"]),
        apart(Fault::Wrong, "apart, a directory", "{dir}/images/directory")
            .timeout(4)
            .exits(4, &["no usable header in"]),
        apart(Fault::Refused, "apart, a FIFO", "{dir}/images/fifo")
            .timeout(4)
            .exits(4, &["no usable header in"]),
        apart(Fault::Refused, "apart, no keyslot is in use", "{dir}/images/no-keyslot")
            .timeout(4)
            .exits(4, &["no keyslot is in use"]),
    ]
}

fn read() -> Vec<Case> {
    let new = |fault, what, key: &str| case(Step::Read, fault, what).local().key(key);
    vec![
        new(Fault::Absent, "no such file", "{dir}/keys/absent")
            .exits(4, &["{dir}/keys/absent does not exist"]),
        new(Fault::Absent, "no such directory", "{dir}/nowhere/key").exits(4, &["does not exist"]),
        new(Fault::Absent, "0 bytes", "{dir}/keys/empty")
            .exits(4, &["{dir}/keys/empty has 0 bytes"]),
        new(Fault::Half, "the first 86 bytes", "{dir}/keys/half")
            .exits(2, &["the key from file {dir}/keys/half does not fit the keyslot"]),
        new(Fault::Garbage, "256 bytes of noise", "{dir}/keys/garbage")
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Oversized, "70 kB", "{dir}/keys/large")
            .exits(4, &["{dir}/keys/large is too large for a key"]),
        new(Fault::Oversized, "a newline too many", "{dir}/keys/newline")
            .says(&["fits only without its final newline"]),
        new(Fault::Wrong, "another volume's", "{dir}/keys/other")
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Wrong, "a directory", "{dir}/keys/directory")
            .exits(4, &["{dir}/keys/directory: "]),
        new(Fault::Wrong, "a link to itself", "{dir}/keys/loop").exits(4, &["{dir}/keys/loop: "]),
        new(Fault::Late, "a FIFO that nobody writes to", "{dir}/keys/fifo")
            .exits(4, &["{dir}/keys/fifo: not a regular file"]),
        new(Fault::Refused, "a character device", "/dev/zero")
            .exits(4, &["/dev/zero: not a regular file"]),
        new(Fault::DiskError, "a file that cannot be read", "/proc/self/mem")
            .exits(4, &["/proc/self/mem: "]),
    ]
}

/// `bek-unlock decode`, which is this step alone.
fn decode() -> Vec<Case> {
    let new = |fault, what, input: &[u8]| {
        let case = case(Step::Decode, fault, format!("decode is given {what}"));
        Case { decode: true, ..case.asked(0, 0).trouble(Trouble::Input(input.to_vec())) }
    };
    let deep = "[".repeat(100_000);
    let large = vec![b'A'; 4 << 20];
    vec![
        new(Fault::Absent, "nothing", b"").exits(76, &["standard input "]),
        new(Fault::Absent, "blanks", b" \n\t\n").exits(76, &["standard input "]),
        new(
            Fault::Half,
            "the beginning of an answer",
            b"{\"kid\": \"https://contoso-kv.vault.azure.net/keys/kek/0123456789abc",
        )
        .exits(76, &["standard input "]),
        new(Fault::Garbage, "deep JSON", deep.as_bytes()).exits(76, &["standard input "]),
        new(Fault::Garbage, "bytes that are no text", &[0xff; 300]).exits(76, &["standard input "]),
        new(Fault::Oversized, "4 MiB", &large).exits(76, &["standard input "]),
        new(Fault::Wrong, "an answer without a key", b"{\"error\": {\"code\": \"Forbidden\"}}")
            .exits(76, &["standard input "]),
        new(Fault::Wrong, "a value that is no base64", b"{\"kid\": \"k\", \"value\": \"!!!\"}")
            .exits(76, &["standard input "]),
    ]
}

/// The keyslots; what follows a key that fits needs device-mapper and is in the guest's part.
fn activate() -> Vec<Case> {
    let new = |fault, what| case(Step::Activate, fault, what).local();
    let argon = |what| new(Fault::MemoryShort, what).device("{dir}/images/argon");
    vec![
        new(Fault::Wrong, "LUKS1 and another volume's key")
            .device("{dir}/images/luks1")
            .key("{dir}/keys/other")
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Wrong, "argon2id and another volume's key")
            .device("{dir}/images/argon")
            .key("{dir}/keys/other")
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Absent, "the keyslot of key-slot=").options("key-slot=3").exits(4, &["keyslot"]),
        new(Fault::Garbage, "the keyslots are overwritten")
            .device("{dir}/images/keyslots-torn")
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Slow, "a KDF of seconds").device("{dir}/images/slow"),
        argon("for good")
            .timeout(2)
            .trouble(Trouble::Memory(8 << 10, None))
            .exits(4, &["the keyslot's KDF needs 32 MiB of memory, 8 MiB are free"]),
        argon("for a second").trouble(Trouble::Memory(8 << 10, Some(1000))),
        argon("not at all, and as much as it needs").trouble(Trouble::Memory(33 << 10, None)),
        new(Fault::MemoryShort, "for a KDF that needs none").trouble(Trouble::Memory(0, None)),
    ]
}
