//! Archives of an initramfs, and what is said of them.

use std::path::{Path, PathBuf};

use bek_unlock::check::image::{self, Image, Wanted};
use bek_unlock::edge::host::System;
use bek_unlock::edge::initrd;
use bek_unlock::initramfs::{Plan, Tool};

use super::{Target, plain};

/// cpio in the kernel's format.
pub const INITRD: Target = Target {
    name: "initrd",
    run: initrd,
    seeds: || {
        let lists: [(&str, &[u8]); 3] = [
            ("usr/bin/bek-unlock", b"\x7fELF bek-unlock 0.1.0\n"),
            ("./etc/bektab", b"# made\nroot UUID=5f1e - x-initrd.attach\n"),
            ("lib/modules/6.1.0/modules.dep", b"kernel/dm-crypt.ko.xz: kernel/dm-mod.ko\n"),
        ];
        let microcode = archive(&[("kernel/x86/microcode/a.bin", &[7; 30])]);
        let padded = [microcode, vec![0; 512], archive(&lists)].concat();
        vec![archive(&lists), padded, archive(&[("conf/initramfs.conf", b"")])]
    },
    words: &[
        "070701",
        "070702",
        "TRAILER!!!",
        "00000000",
        "ffffffff",
        "usr/",
        "lib/modules/",
        "\0",
    ],
};

fn initrd(data: &[u8]) {
    let mut image = Image::default();
    let read = initrd::archives(data, &mut image, &image::is_compared);
    let held: usize = image.files.values().map(Vec::len).sum();
    assert!(held <= data.len());
    for path in image.files.keys() {
        assert!(image.paths.contains(path) && image::is_compared(path));
    }
    if read.is_err() {
        return;
    }
    let lines = vec!["root UUID=5f1e - x-initrd.attach".to_owned()];
    let plan = Plan { lines, ..Plan::default() };
    let wanted = Wanted {
        plan: &plan,
        host: &System::new(Path::new("/nonexistent"), None),
        tool: image.tool().unwrap_or(Tool::Dracut),
        program: Path::new("/usr/bin/bek-unlock"),
        headers: &[(PathBuf::from("/osluksheader"), vec![1, 2, 3])],
    };
    for finding in image::findings(&image, &wanted) {
        plain(&finding.text);
        finding.advice.iter().for_each(|advice| plain(advice));
    }
}

/// Files as cpio(5) has them, each with a header of 110 bytes and padded to four.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let last: (&str, &[u8]) = ("TRAILER!!!", b"");
    for (name, bytes) in files.iter().chain([&last]) {
        let fields = [1, 0o100_644, 0, 0, 1, 0, bytes.len(), 0, 0, 0, 0, name.len() + 1, 0];
        let fields: String = fields.iter().map(|field| format!("{field:08x}")).collect();
        out.extend(format!("070701{fields}{name}\0").bytes());
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(*bytes);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}
