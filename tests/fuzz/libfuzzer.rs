//! All targets in one program, which is built and linked once: FUZZ_TARGET names the one to run.
//!
//! With FUZZ_SEEDS it writes the target's seeds and its words there instead; run does both.

#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use targets::{ALL, Target};

mod targets;

static TARGET: OnceLock<&Target> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let target = ALL.iter().find(|target| target.name == name);
        let names: Vec<_> = ALL.iter().map(|target| target.name).collect();
        let target = target.unwrap_or_else(|| panic!("FUZZ_TARGET is one of {names:?}"));
        TARGET.get_or_init(|| target);
        // libfuzzer-sys ends the process at the first panic; one that edge/fat.rs catches is no
        // crash. Those that get through end it all the same.
        std::panic::set_hook(Box::new(|info| {
            if !info.location().is_some_and(|place| place.file().contains("/fatfs-")) {
                eprintln!("{info}");
            }
        }));
        if let Some(place) = std::env::var_os("FUZZ_SEEDS") {
            write(target, Path::new(&place));
            std::process::exit(0);
        }
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.run)(data);
        }
    }
);

fn write(target: &Target, place: &Path) {
    std::fs::create_dir_all(place).unwrap();
    for (number, seed) in (target.seeds)().iter().enumerate() {
        std::fs::write(place.join(format!("seed-{number}")), seed).unwrap();
    }
    let quoted = |word: &&str| {
        let bytes: String = word.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
        format!("\"{bytes}\"\n")
    };
    let words: String = target.words.iter().map(quoted).collect();
    std::fs::write(place.with_extension("dict"), words).unwrap();
}
