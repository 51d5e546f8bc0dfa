//! The volumes of the cases: each as cryptsetup makes it, or with something wrong with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::world::{KEY, tool, with_input};

/// Makes the volumes that all workers read.
pub fn prepare(directory: &Path) {
    let path = |name: &str| directory.join(name).display().to_string();
    let cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    let small = ["--luks2-metadata-size", "16k", "--luks2-keyslots-size", "288k"];
    let argon = [
        "--pbkdf",
        "argon2id",
        "--pbkdf-memory",
        "32768",
        "--pbkdf-force-iterations",
        "4",
        "--pbkdf-parallel",
        "1",
    ];
    let slow = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "2000000"];
    let kinds: BTreeMap<&str, (&str, Vec<&str>)> = BTreeMap::from([
        ("luks2", ("luks2", [&small[..], &cheap].concat())),
        ("luks1", ("luks1", cheap.to_vec())),
        ("argon", ("luks2", [&small[..], &argon].concat())),
        ("slow", ("luks2", [&small[..], &slow].concat())),
    ]);
    for (name, (kind, cost)) in &kinds {
        let file = fs::File::create(path(name)).unwrap();
        file.set_len(3 << 20).unwrap();
        let format =
            ["cryptsetup", "luksFormat", "--batch-mode", "--type", kind, "--key-slot", "1"];
        let image = path(name);
        let words = [&format[..], cost, &["--key-file", "-", &image]].concat();
        with_input(&words, KEY.as_bytes());
    }
    let luks2 = fs::read(path("luks2")).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(path(name), bytes).unwrap();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = luks2.clone();
        change(&mut bytes);
        bytes
    };
    put("half-metadata", &luks2[..8192]);
    put("half-keyslots", &luks2[..40_960]);
    put("empty", b"");
    put("zeros", &vec![0; 1 << 20]);
    put(
        "noise",
        &(0..1 << 20_u32)
            .map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect::<Vec<_>>(),
    );
    put("first-copy-gone", &with(&|bytes| bytes[..16_384].fill(0)));
    put("first-copy-torn", &with(&|bytes| bytes[4096..5000].fill(b'x')));
    put(
        "both-copies-torn",
        &with(&|bytes| {
            bytes[4096..5000].fill(b'x');
            bytes[16_384 + 4096..16_384 + 5000].fill(b'x');
        }),
    );
    put("keyslots-torn", &with(&|bytes| bytes[32_768..32_768 + 294_912].fill(b'x')));
    // What it says of its own size, in both copies.
    put(
        "oversized",
        &with(&|bytes| {
            for copy in [0, 16_384] {
                bytes[copy + 8..copy + 16].fill(0xff);
            }
        }),
    );
    put("data", &vec![0; 3 << 20]);
    fs::File::create(path("ext4")).unwrap().set_len(2 << 20).unwrap();
    tool(&["mke2fs", "-q", "-F", "-t", "ext4", &path("ext4")]);
    fs::File::create(path("swap")).unwrap().set_len(2 << 20).unwrap();
    tool(&["mkswap", &path("swap")]);
    fs::create_dir(path("directory")).unwrap();
    tool(&["mkfifo", &path("fifo")]);
    std::os::unix::fs::symlink("loop", path("loop")).unwrap();
    put("no-keyslot", &luks2);
    tool(&["cryptsetup", "luksKillSlot", "--batch-mode", &path("no-keyslot"), "1"]);
}
