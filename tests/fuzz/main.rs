//! The targets of `make fuzz` without libFuzzer: their seeds, the inputs that once broke something,
//! and mutations of both, the same ones each time. Seconds, and on any toolchain.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy.toml lets test functions fail loudly, not what they call"
)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use targets::{ALL, Target};

mod mutate;
mod targets;

/// How many mutations each target is given.
const ROUNDS: u64 = 1500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs one target on everything.
fn run(name: &str) {
    let target = ALL.iter().find(|target| target.name == name).unwrap();
    let mut inputs = regressions(name);
    inputs.extend((target.seeds)());
    inputs.push(Vec::new());
    inputs.iter().for_each(|input| check(target, input));
    let mut random = Rng::with_seed(20_261);
    for _ in 0..ROUNDS {
        let input = mutate::mutate(&mut random, &inputs, target.words);
        check(target, &input);
    }
}

/// Runs a target on one input, which is kept where the property does not hold.
fn check(target: &Target, input: &[u8]) {
    if catch_unwind(|| (target.run)(input)).is_err() {
        let directory = root().join("target/fuzz/artifacts").join(target.name);
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("cargo-test");
        fs::write(&path, input).unwrap();
        panic!("once more: tests/fuzz/run {} {}", target.name, path.display());
    }
}

/// The inputs that once broke a property of this target.
fn regressions(name: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(root().join("tests/fuzz/regressions").join(name)) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

macro_rules! each {
    ($($test:ident)*) => {
        const TESTS: &[&str] = &[$(stringify!($test)),*];

        $(#[test]
        fn $test() {
            run(&stringify!($test).replace('_', "-"));
        })*
    };
}

each! {
    azure_crypt_mount base64 bek_file bektab certificate challenge cmdline crypttab fat frame fstab
    initrd key keyscript list luks_header luks_metadata lvm metadata_service mountinfo recovery rekey_note
    secret sign_in token url wire
}

#[test]
fn every_target_is_run_and_every_regression_has_one() {
    let names: BTreeSet<String> = ALL.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(TESTS.iter().map(|test| test.replace('_', "-")).collect::<BTreeSet<_>>(), names);
    for entry in fs::read_dir(root().join("tests/fuzz/regressions")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name), "{name}");
    }
}

#[test]
fn mutations_reach_and_are_repeatable() {
    let seeds = [b"{\"value\":\"abc\"}".to_vec(), vec![0; 40]];
    let made = |seed| {
        let mut random = Rng::with_seed(seed);
        let mutate = || mutate::mutate(&mut random, &seeds, &["word"]);
        std::iter::repeat_with(mutate).take(300).collect::<Vec<_>>()
    };
    assert_eq!(made(1), made(1));
    assert_ne!(made(1), made(2));
    let distinct: BTreeSet<Vec<u8>> = made(1).into_iter().collect();
    assert!(distinct.len() > 200, "{}", distinct.len());
    assert!(distinct.iter().any(|input| input.windows(4).any(|part| part == b"word")));
    assert!(distinct.iter().any(|input| input.len() < 10));
    assert!(distinct.iter().any(|input| input.len() > 44));
}
