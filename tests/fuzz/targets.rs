//! What is done with bytes from outside, and what must hold whatever they are.
//!
//! Each target is a function that panics when a property does not hold, and seeds: inputs as they
//! come in the field. libFuzzer (libfuzzer.rs) and `cargo test` (main.rs) both run this table.

use std::path::Path;

use bek_unlock::error::{Error, Goal, Kind};
use bek_unlock::report;

mod azure;
mod cmdline;
mod config;
mod disk;
mod identifiers;
mod image;
mod keys;
mod luks;
mod lvm;
mod network;
mod recovery;
mod sign_in;
mod system;
mod tokens;
mod wire;

/// One parser, or several that read the same bytes.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that the format has, for mutations.
    pub words: &'static [&'static str],
}

/// Every target, by name.
pub const ALL: [Target; 27] = [
    azure::CHALLENGE,
    config::AZURE_CRYPT_MOUNT,
    keys::BASE64,
    keys::BEK_FILE,
    config::BEKTAB,
    sign_in::CERTIFICATE,
    cmdline::CMDLINE,
    config::CRYPTTAB,
    disk::FAT,
    keys::FRAME,
    system::FSTAB,
    image::INITRD,
    azure::KEY,
    config::KEYSCRIPT,
    azure::LIST,
    luks::LUKS_HEADER,
    luks::LUKS_METADATA,
    lvm::LVM,
    azure::METADATA_SERVICE,
    system::MOUNTINFO,
    recovery::RECOVERY,
    system::REKEY_NOTE,
    azure::SECRET,
    sign_in::SIGN_IN,
    tokens::TOKEN,
    identifiers::URL,
    wire::WIRE,
];

/// Stands where a secret stands; nothing that is said may hold it.
pub const SENTINEL: &str = "SENTINELbase64SENTINEL00";

/// Everything that is said of `kind`: plain lines, whatever the bytes were that led to it.
///
/// Gives the lines, for whoever looks for something in them.
pub fn said(kind: &Kind) -> String {
    let error = Error::new(Goal::Unlock, kind.clone());
    let lines = report::lines(&error);
    for line in &lines {
        plain(line);
    }
    assert!(kind.exit_status() > 0 && !kind.name().is_empty());
    lines.join("\n")
}

/// Nothing that moves a cursor, and no second line.
pub fn plain(text: &str) {
    let odd = text.chars().find(|c| !(' '..='~').contains(c));
    assert_eq!(odd, None, "{text:?}");
}

/// A file of tests/fixtures.
pub fn fixture(path: &str) -> Vec<u8> {
    file_of_tests(&format!("fixtures/{path}"))
}

/// A file below tests.
pub fn file_of_tests(path: &str) -> Vec<u8> {
    // The directory of the package that is built: the program's own, or that of libFuzzer below it.
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = package.ancestors().map(|place| place.join("tests"));
    let tests = tests.into_iter().find(|place| place.join("fixtures").is_dir()).unwrap();
    std::fs::read(tests.join(path)).unwrap()
}

/// Texts as seeds.
pub fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
