//! Archives of an initramfs, in a unified kernel image or not, and what is said of them.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use bek_unlock::check::image::{self, Image, Wanted};
use bek_unlock::edge::host::System;
use bek_unlock::edge::initrd::{self, uki};
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
        let unified = unified(&archive(&lists));
        vec![archive(&lists), padded, archive(&[("conf/initramfs.conf", b"")]), unified]
    },
    words: &[
        "070701",
        "070702",
        "TRAILER!!!",
        "00000000",
        "ffffffff",
        "usr/",
        "lib/modules/",
        "PE\0\0",
        ".initrd",
        "\0",
    ],
};

fn initrd(data: &[u8]) {
    let data = if uki::is_program(data) { inside(data) } else { data };
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

/// What the table of sections says is the initramfs, as far as it is there.
fn inside(data: &[u8]) -> &[u8] {
    let Ok(Some((start, size))) = uki::section(&mut Cursor::new(data)) else { return &[] };
    let behind = data.get(start as usize..).unwrap_or_default();
    &behind[..behind.len().min(size as usize)]
}

/// An EFI program whose one section has `image`.
fn unified(image: &[u8]) -> Vec<u8> {
    let (pe, table) = (0x40_u32, 0x40 + 24);
    let size = u32::try_from(image.len()).unwrap();
    let mut out = [b"MZ".to_vec(), vec![0; 0x3a]].concat();
    out.extend(pe.to_le_bytes());
    out.extend(b"PE\0\0\x64\x86\x01\0");
    out.resize(table, 0);
    out.extend(b".initrd\0");
    for number in [size, 0, size, pe + 24 + 40] {
        out.extend(number.to_le_bytes());
    }
    out.resize(table + 40, 0);
    out.extend(image);
    out
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
