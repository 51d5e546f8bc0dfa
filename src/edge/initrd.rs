//! Images of the initramfs: cpio archives one behind the other, the last one compressed
//! (kernel.org, "initramfs buffer format"), and unified kernel images with one inside.
//!
//! The programs that compressed an image are there to read it; one more copy of each algorithm would
//! weigh more than all of this program, in every image.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use cpio::newc;

use crate::check::image::{COMPARED_MAX, Image, plain};
use crate::edge::host;
use crate::edge::sysfs::names;

pub mod uki;

/// The longest target of a link (PATH_MAX).
const LINK_MAX: u32 = 4096;

/// The largest archive that is read, unpacked.
const UNPACKED_MAX: u64 = 8 << 30;

/// First bytes of what compresses, and the program that undoes it.
const COMPRESSED: [(&[u8], &str); 6] = [
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ", "xz"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"BZh", "bzip2"),
    (b"\x89LZO", "lzop"),
];

/// Where the images of kernels are, for each release below /lib/modules, in /boot.
const PLACES: [&str; 3] = ["initrd.img-", "initramfs-", "initrd-"];

/// Where unified kernel images are, which kernel-install(8) makes: below the places in which
/// distributions mount what the firmware or the boot loader reads.
const UNIFIED: [&str; 3] = ["boot/efi/EFI/Linux", "efi/EFI/Linux", "boot/EFI/Linux"];

/// The image of each installed kernel below `root`, the newest kernel first: of two that are left
/// to choose the boot loader's default.
pub fn installed(root: &Path) -> Vec<(String, PathBuf)> {
    let image = |release: String| of(root, &release).map(|path| (release, path));
    releases(root).into_iter().filter_map(image).collect()
}

/// The newest kernel, where it has no image: one that a full /boot left without, for a boot loader
/// starts it all the same.
pub fn without(root: &Path) -> Option<String> {
    let is_kernel = |release: &String| {
        // Modules that were left behind are no kernel.
        let module = format!("lib/modules/{release}/vmlinuz");
        let places = [format!("boot/vmlinuz-{release}"), format!("usr/{module}"), module];
        places.iter().any(|place| root.join(place).exists())
    };
    let newest = releases(root).into_iter().find(is_kernel)?;
    of(root, &newest).is_none().then_some(newest)
}

/// The releases of the kernels that have modules, the newest first.
fn releases(root: &Path) -> Vec<String> {
    let mut releases: Vec<String> = ["lib/modules", "usr/lib/modules"]
        .iter()
        .flat_map(|place| names(&root.join(place)))
        .collect();
    releases.sort_by_key(|release| std::cmp::Reverse(numbers(release)));
    releases.dedup();
    releases
}

/// The image of a kernel.
fn of(root: &Path, release: &str) -> Option<PathBuf> {
    let boot = root.join("boot");
    let names = PLACES
        .iter()
        .flat_map(|prefix| [format!("{prefix}{release}"), format!("{prefix}{release}.img")]);
    let found = names.map(|name| boot.join(name)).find(|path| path.is_file());
    // The Boot Loader Specification's place has the machine's id in it.
    let entry = || {
        let ids = names_of(&boot).into_iter().map(|id| boot.join(id).join(release));
        ids.map(|directory| directory.join("initrd")).find(|path| path.is_file())
    };
    let unified = || UNIFIED.iter().find_map(|place| uki::of(&root.join(place), release));
    found.or_else(entry).or_else(unified)
}

fn names_of(directory: &Path) -> Vec<String> {
    names(directory).into_iter().filter(|name| name.len() == 32).collect()
}

/// `6.1.0-18-cloud-amd64` in the order of its numbers.
fn numbers(release: &str) -> (Vec<u64>, String) {
    let parts = release.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
    (parts.collect(), release.to_owned())
}

/// Reads the image at `path`, whose kernel is installed below `root`; the bytes of those files that
/// `wants` names are kept.
///
/// Errors: the system's, or what is wrong with the image, in a few words.
pub fn read(root: &Path, path: &Path, wants: &dyn Fn(&Path) -> bool) -> io::Result<Image> {
    let mut image = Image::default();
    // Opening a FIFO would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut reader = BufReader::new(File::open(path)?);
    if uki::is_program(reader.fill_buf()?) {
        reader = BufReader::new(uki::initramfs(&mut reader.into_inner()).map_err(short)?);
    }
    while let Some(start) = next(&mut reader)? {
        if start.starts_with(b"0707") {
            archive(&mut reader, &mut image, wants).map_err(short)?;
            continue;
        }
        let program = COMPRESSED.iter().find(|(magic, _)| start.starts_with(magic));
        let (_, program) =
            program.ok_or_else(|| io::Error::other("neither cpio nor compressed"))?;
        let at = reader.stream_position()?;
        let mut file = reader.into_inner();
        file.seek(SeekFrom::Start(at))?;
        unpacked(program, file, &mut image, wants)?;
        break;
    }
    if image.paths.is_empty() {
        return Err(io::Error::other("there is no archive in it"));
    }
    image.kernel = release(&image.paths);
    image.modules = image.kernel.as_ref().map(|release| modules(root, release, &image));
    Ok(image)
}

/// The first bytes behind the zeros that separate archives; `None` at the end.
fn next(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
        if zeros < buffer.len() {
            let start = buffer.iter().skip(zeros).take(6).copied().collect();
            reader.consume(zeros);
            return Ok(Some(start));
        }
        reader.consume(zeros);
    }
}

/// One archive, up to its trailer.
fn archive(
    reader: &mut dyn Read,
    image: &mut Image,
    wants: &dyn Fn(&Path) -> bool,
) -> io::Result<()> {
    loop {
        let mut entry = newc::Reader::new(&mut *reader)?;
        if entry.entry().is_trailer() {
            entry.finish()?;
            return Ok(());
        }
        let name = PathBuf::from(entry.entry().name());
        let (mode, size) = (entry.entry().mode(), entry.entry().file_size());
        let is_file = mode & 0o170_000 == 0o100_000;
        let fits = usize::try_from(size).is_ok_and(|size| size <= COMPARED_MAX);
        let path = plain(&name);
        if is_file && fits && wants(&path) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            image.files.insert(path.clone(), bytes);
        } else if mode & 0o170_000 == 0o120_000 && size <= LINK_MAX {
            let mut target = Vec::new();
            entry.read_to_end(&mut target)?;
            image.links.insert(path.clone(), OsString::from_vec(target).into());
        }
        image.paths.insert(path);
        entry.finish()?;
    }
}

/// What is behind the compression of `file`, from where it stands.
fn unpacked(
    program: &str,
    file: File,
    image: &mut Image,
    wants: &dyn Fn(&Path) -> bool,
) -> io::Result<()> {
    let mut unpacker = Unpacker::start(program, file)
        .map_err(|error| io::Error::new(error.kind(), format!("{program}: {}", error.kind())))?;
    let broken = |error: io::Error| io::Error::new(error.kind(), format!("{program} -dc: {error}"));
    let Some(output) = unpacker.output.take() else { return Ok(()) };
    archives(BufReader::new(output.take(UNPACKED_MAX)), image, wants).map_err(broken)
}

/// Archives up to the end, none of them compressed.
pub fn archives(
    mut reader: impl BufRead,
    image: &mut Image,
    wants: &dyn Fn(&Path) -> bool,
) -> io::Result<()> {
    while next(&mut reader)?.is_some() {
        archive(&mut reader, image, wants).map_err(short)?;
    }
    Ok(())
}

/// The standard library's words for an early end are about buffers.
fn short(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "it is cut short"),
        _ => error,
    }
}

/// A program that unpacks, ended with this.
struct Unpacker {
    child: Child,
    output: Option<ChildStdout>,
}

impl Unpacker {
    fn start(program: &str, file: File) -> io::Result<Self> {
        let mut child = Command::new(program)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .arg("-dc")
            .stdin(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = child.stdout.take();
        Ok(Self { child, output })
    }
}

impl Drop for Unpacker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The kernel whose modules are in it.
fn release(paths: &BTreeSet<PathBuf>) -> Option<String> {
    let below = paths.iter().find_map(|path| path.strip_prefix("lib/modules").ok()?.iter().next());
    below.and_then(|name| name.to_str()).map(str::to_owned)
}

fn modules(root: &Path, release: &str, image: &Image) -> BTreeSet<String> {
    let directory = Path::new("lib/modules").join(release);
    host::modules_in_image(root, release, &|name| {
        image.files.get(&directory.join(name)).cloned().unwrap_or_default()
    })
}

#[cfg(test)]
mod tests;
