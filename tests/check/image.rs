//! Images of the initramfs that open the volume, and those that do not, each for one reason.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::setup::{Setup, found, key, tool};
use crate::world::{VAULT, with_input};

const RELEASE: &str = "6.1.0-18-cloud-amd64";

/// Files of an image by path.
struct Image {
    files: BTreeMap<String, Vec<u8>>,
    links: BTreeMap<String, String>,
}

impl Image {
    /// What initramfs-tools would make for `setup` now, as far as a check looks at it.
    fn new(setup: &Setup) -> Self {
        let plan = plan(setup);
        let of = |word: &str| -> Vec<String> {
            let values = plan.lines().filter_map(|line| line.split_once('\t'));
            values.filter(|(key, _)| *key == word).map(|(_, value)| value.to_owned()).collect()
        };
        let mut image = Self { files: BTreeMap::new(), links: BTreeMap::new() };
        image.put("conf/initramfs.conf", "");
        image.put(
            "usr/bin/bek-unlock",
            concat!("\x7fELF bek-unlock ", env!("CARGO_PKG_VERSION"), "\n"),
        );
        image.put("scripts/local-top/bek-unlock", "#!/bin/sh\n");
        image.put("bin/ipconfig", "");
        image.put("etc/bektab", &(of("bektab").join("\n") + "\n"));
        for path in of("file") {
            let bytes = fs::read(&path).unwrap();
            image.files.insert(path.trim_start_matches('/').to_owned(), bytes);
        }
        image.modules(&of("module").iter().map(String::as_str).collect::<Vec<_>>());
        image
    }

    fn put(&mut self, path: &str, text: &str) {
        self.files.insert(path.to_owned(), text.as_bytes().to_vec());
    }

    /// What depmod(8) writes where these modules are.
    fn modules(&mut self, names: &[&str]) {
        let dep: String = names
            .iter()
            .map(|name| format!("kernel/{}.ko.xz:\n", name.replace('_', "-")))
            .collect();
        self.put(&format!("usr/lib/modules/{RELEASE}/modules.dep"), &dep);
    }

    /// As one archive, compressed by `program` if any, behind one that is not, as microcode is.
    fn write(&self, setup: &Setup, program: Option<&str>) -> PathBuf {
        let mut bytes =
            archive(&[("kernel/x86/microcode/AuthenticAMD.bin".to_owned(), vec![7; 999])], &[]);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        let files: Vec<(String, Vec<u8>)> =
            self.files.iter().map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
        let links = self.links.iter().map(|(path, target)| (path.as_str(), target.as_str()));
        let own = archive(&files, &links.collect::<Vec<_>>());
        match program {
            None => bytes.extend(own),
            Some(program) => {
                let mut command = Command::new(program);
                let output = with_input(command.arg("-c"), &own);
                assert!(output.status.success(), "{program}: {output:?}");
                bytes.extend(output.stdout);
            }
        }
        let path = setup.world.path("initrd.img");
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn archive(files: &[(String, Vec<u8>)], links: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let files = files.iter().map(|(path, bytes)| (path.as_str(), 0o100_644, bytes.as_slice()));
    let links = links.iter().map(|(path, target)| (*path, 0o120_777, target.as_bytes()));
    for (path, mode, bytes) in files.chain(links) {
        let entry = cpio::newc::Builder::new(path).mode(mode);
        let size = u32::try_from(bytes.len()).unwrap();
        let mut writer = entry.write(out, size);
        writer.write_all(bytes).unwrap();
        out = writer.finish().unwrap();
    }
    cpio::newc::trailer(out).unwrap()
}

fn plan(setup: &Setup) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bek-unlock"));
    command.args(["initramfs", "plan", "--tool", "initramfs-tools"]);
    setup.world.ran(command, b"").good().stdout
}

/// A machine whose volume is opened in the initramfs, with a secret that is named.
fn of_the_root() -> Setup {
    let setup = Setup::new();
    setup.fstab("");
    setup.bektab(&format!("{VAULT}/secrets/ade"), "x-initrd.attach");
    setup
}

/// The findings of a check of the image with this result.
fn image_findings(setup: &Setup, image: &str, result: &str) -> (Option<i32>, Vec<String>) {
    let run = setup.check(&["--json", "--initrd", image]);
    let mut all = found(&run, result);
    all.retain(|one| one.starts_with("initramfs "));
    (run.status, all)
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn an_image_that_holds_what_it_needs_in_every_compression() {
    for program in [None, Some("gzip"), Some("zstd"), Some("xz"), Some("lz4"), Some("bzip2")] {
        let setup = of_the_root();
        let mut path = Image::new(&setup).write(&setup, program.filter(|name| *name != "lz4"));
        if program == Some("lz4") {
            // The kernel reads the legacy frame alone.
            let (plain, packed) = (path.display().to_string(), setup.world.path("lz4.img"));
            tool(&["lz4", "-l", "-q", &plain, packed.to_str().unwrap()]);
            path = packed;
        }
        let (status, good) = image_findings(&setup, path.to_str().unwrap(), "ok");
        assert_eq!((status, good.len()), (Some(0), 1), "{program:?}: {good:?}");
        assert!(good[0].contains(&format!("files for {RELEASE} are in it")), "{good:?}");
    }
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn a_key_that_no_image_gets_keeps_the_root_closed() {
    let setup = of_the_root();
    fs::write("/etc/root.key", key()).unwrap();
    setup.bektab("/etc/root.key", "x-initrd.attach");
    let path = Image::new(&setup).write(&setup, None);
    let (status, bad) = image_findings(&setup, path.to_str().unwrap(), "failed");
    assert_eq!((status, bad.len()), (Some(1), 1), "{bad:?}");
    assert!(bad[0].contains("data1: the key /etc/root.key is not copied"), "{bad:?}");
    assert!(bad[0].ends_with("-> wrap it and write kek=, or use the key disk or Key Vault"));
}

/// As on RHEL and Azure Linux, whose dracut makes the link anew and copies what is behind it.
#[test]
#[ignore = "needs namespaces: make check-root"]
fn what_is_below_a_link_is_found_where_that_leads() {
    let setup = of_the_root();
    fs::create_dir_all("/etc/pki/real").unwrap();
    std::os::unix::fs::symlink("../pki/real", "/etc/ssl/linked").unwrap();
    fs::copy(setup.world.path("ca.pem"), "/etc/pki/real/ca.pem").unwrap();
    let options = "x-initrd.attach,ca=/etc/ssl/linked/ca.pem";
    let line = format!("data1 {} {VAULT}/secrets/ade {options}\n", setup.disk.display());
    fs::write("/etc/bektab", line).unwrap();
    let mut image = Image::new(&setup);
    let bytes = image.files.remove("etc/ssl/linked/ca.pem").unwrap();
    image.files.insert("etc/pki/real/ca.pem".to_owned(), bytes);
    image.links.insert("etc/ssl/linked".to_owned(), "../pki/real".to_owned());
    let path = image.write(&setup, Some("gzip"));
    let (status, bad) = image_findings(&setup, path.to_str().unwrap(), "failed");
    assert_eq!((status, bad), (Some(0), vec![]));
    image.put("etc/pki/real/ca.pem", "# of last year\n");
    let path = image.write(&setup, Some("gzip"));
    let (_, warned) = image_findings(&setup, path.to_str().unwrap(), "warning");
    assert!(warned[0].contains("/etc/ssl/linked/ca.pem has changed since"), "{warned:?}");
    image.links.clear();
    let path = image.write(&setup, Some("gzip"));
    let (_, bad) = image_findings(&setup, path.to_str().unwrap(), "failed");
    assert!(bad[0].contains("/etc/ssl/linked/ca.pem is not in it"), "{bad:?}");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn a_unified_kernel_image_is_read_by_the_initramfs_inside() {
    let setup = of_the_root();
    let mut image = Image::new(&setup);
    let path = unified(&setup, &image.write(&setup, Some("zstd")), ".initrd");
    let (status, good) = image_findings(&setup, &path, "ok");
    assert_eq!((status, good.len()), (Some(0), 1), "{good:?}");
    let without = unified(&setup, &image.write(&setup, Some("zstd")), ".linux");
    let (status, bad) = image_findings(&setup, &without, "failed");
    assert_eq!(status, Some(1));
    let words = "cannot be read: an EFI program without an initramfs (section .initrd)";
    assert!(bad[0].contains(words), "{bad:?}");
    image.put("etc/bektab", "# none\n");
    let path = unified(&setup, &image.write(&setup, Some("gzip")), ".initrd");
    let (_, bad) = image_findings(&setup, &path, "failed");
    assert!(bad[0].contains("it has no line of data1"), "{bad:?}");
}

/// An EFI program with `image` as that section, as binutils make it, who also make distributions'.
fn unified(setup: &Setup, image: &Path, section: &str) -> String {
    let path = setup.world.path("unified.efi").display().to_string();
    let rename = format!("--rename-section=.data={section}");
    let format = ["-I", "binary", "-O", "pei-x86-64", "-B", "i386:x86-64", &rename];
    let files = [image.to_str().unwrap(), &path];
    tool(&[&["objcopy"][..], &format, &files].concat());
    path
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn what_keeps_the_volume_closed_is_named() {
    type Spoil = fn(&mut Image);
    let cases: [(&str, Spoil); 8] = [
        ("the program is not in it", |image| drop(image.files.remove("usr/bin/bek-unlock"))),
        ("what starts the program is not in it", |image| {
            drop(image.files.remove("scripts/local-top/bek-unlock"));
        }),
        ("the kernel modules crypto-aes, dm_crypt, dm_mod are not in it", |image| {
            image.modules(&["xts"])
        }),
        ("it has no line of data1", |image| image.put("etc/bektab", "# none\n")),
        ("its line of data1 is another one than in bektab now", |image| {
            image.put("etc/bektab", "data1 /dev/sda1 - x-initrd.attach\n");
        }),
        ("ca.pem is not in it", |image| image.files.retain(|path, _| !path.ends_with("ca.pem"))),
        ("nothing in it configures a network", |image| drop(image.files.remove("bin/ipconfig"))),
        ("is of neither dracut nor initramfs-tools", |image| {
            drop(image.files.remove("conf/initramfs.conf"));
        }),
    ];
    for (words, spoil) in cases {
        let setup = of_the_root();
        let mut image = Image::new(&setup);
        spoil(&mut image);
        let path = image.write(&setup, None);
        let (status, bad) = image_findings(&setup, path.to_str().unwrap(), "failed");
        assert_eq!((status, bad.len()), (Some(1), 1), "{words}: {bad:?}");
        assert!(bad[0].contains(words), "{words:?} is missing in {bad:?}");
        assert!(bad[0].contains("update-initramfs -u") || bad[0].contains("--initrd"), "{bad:?}");
    }
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn what_grew_old_and_does_no_harm_yet_is_a_warning() {
    type Spoil = fn(&mut Image);
    let cases: [(&str, Spoil); 3] = [
        ("another version of the program", |image| {
            image.put("usr/bin/bek-unlock", "\x7fELF bek-unlock 0.0.1\n");
        }),
        ("a line of data9, and bektab has none now", |image| {
            let more = "data9 /dev/sdx - x-initrd.attach\n";
            image.files.get_mut("etc/bektab").unwrap().extend(more.as_bytes());
        }),
        ("ca.pem has changed since", |image| {
            let ca = image.files.iter_mut().find(|(path, _)| path.ends_with("ca.pem")).unwrap();
            ca.1.extend(b"# of last year\n");
        }),
    ];
    for (words, spoil) in cases {
        let setup = of_the_root();
        let mut image = Image::new(&setup);
        spoil(&mut image);
        let path = image.write(&setup, Some("gzip"));
        let (status, warned) = image_findings(&setup, path.to_str().unwrap(), "warning");
        assert_eq!(status, Some(0), "{words}");
        assert!(warned.iter().any(|one| one.contains(words)), "{words:?} is missing in {warned:?}");
    }
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn a_copy_of_the_header_that_grew_old() {
    let setup = of_the_root();
    // Neither on /etc nor on /boot, which may be file systems of their own.
    let header = setup.world.path("osluksheader");
    setup.world.volume("luks2", Some(&header));
    setup.bektab(
        &format!("{VAULT}/secrets/ade"),
        &format!("x-initrd.attach,header={}", header.display()),
    );
    let mut image = Image::new(&setup);
    let path = image.write(&setup, None);
    assert_eq!(image_findings(&setup, path.to_str().unwrap(), "failed"), (Some(0), vec![]));
    // The header gets another keyslot, and the image is not built anew.
    let held = image.files.get_mut(header.to_str().unwrap().trim_start_matches('/')).unwrap();
    held[4096] ^= 1;
    let path = image.write(&setup, None);
    let (status, bad) = image_findings(&setup, path.to_str().unwrap(), "failed");
    assert_eq!(status, Some(1));
    assert!(bad[0].contains("osluksheader is not what that file is now"), "{bad:?}");
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn an_image_that_cannot_be_read() {
    let setup = of_the_root();
    let path = Image::new(&setup).write(&setup, Some("gzip"));
    let whole = fs::read(&path).unwrap();
    let spoilt: [(&[u8], &str); 4] = [
        (&whole[..whole.len() - 20], "cannot be read: gzip -dc: it is cut short"),
        (b"not an image", "cannot be read: neither cpio nor compressed"),
        (b"", "cannot be read: there is no archive in it"),
        (b"0707010000", "cannot be read: it is cut short"),
    ];
    for (bytes, words) in spoilt {
        fs::write(&path, bytes).unwrap();
        let (status, bad) = image_findings(&setup, path.to_str().unwrap(), "failed");
        assert_eq!(status, Some(1));
        assert!(bad[0].contains(words), "{words:?} is missing in {bad:?}");
    }
    let (_, bad) = image_findings(&setup, "/etc/gone.img", "failed");
    assert!(bad[0].contains("/etc/gone.img cannot be read: No such file"), "{bad:?}");
    // A volume that no image opens asks for none.
    setup.bektab(&format!("{VAULT}/secrets/ade"), "_netdev");
    setup.check(&["--initrd", "/etc/gone.img"]).good();
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn without_an_image_the_root_stays_closed() {
    let setup = of_the_root();
    tool(&["mount", "-t", "tmpfs", "tmpfs", "/boot"]);
    let run = setup.check(&["--json"]);
    tool(&["umount", "/boot"]);
    let bad = found(&run, "failed");
    assert_eq!((run.status, bad.len()), (Some(1), 1), "{bad:?}");
    assert!(bad[0].starts_with("initramfs there is no image for an installed kernel in /boot"));
}
