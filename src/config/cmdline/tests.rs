mod ade;
mod given;

use std::path::Path;

use crate::config::{Configuration, Origin, load, render};
use crate::error::Kind;

const PART: &str = "0c0a59e2-4b7d-4f0c-8d11-3a5b6c7d8e9f";
const BOOT: &str = "d1f0a3c5-6b2e-4d8f-9a10-7c5e3b1d2f40";

/// What a command line makes of a bektab, line by line: volumes as lines of bektab, `+` before
/// those of which the command line says something; the names that are refused; the problems of the
/// command line with columns and suggestions.
fn outcome(bektab: &str, cmdline: &str) -> Vec<String> {
    let bektab = Configuration::parse(Origin::Bektab, Origin::Bektab.path(), bektab.as_bytes());
    let all = super::onto(bektab, cmdline.as_bytes());
    described(&all)
}

fn described(all: &Configuration) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in &all.entries {
        let line = render::line(&entry.volume).unwrap();
        match (all.find(&entry.volume.name), entry.origin) {
            (Err(_), _) => lines.push(format!("! {line}")),
            (Ok(found), Origin::CommandLine) => {
                assert_eq!(
                    (found, entry.file.as_path(), entry.line),
                    (entry, Path::new("/proc/cmdline"), 1)
                );
                lines.push(format!("+ {line}"));
            }
            (Ok(_), _) => lines.push(format!("  {line}")),
        }
    }
    for (name, problem) in &all.refused {
        assert_eq!(all.find(name), Err(problem.clone()));
        assert!(all.problems.contains(problem));
        lines.push(format!("refused {name}"));
    }
    for problem in &all.problems {
        let Kind::Configuration(diagnostic) = problem else { panic!("{problem:?}") };
        let message = &diagnostic.message;
        assert!(message.len() <= 79 && message.is_ascii(), "{message}");
        let marked: String =
            diagnostic.text.chars().skip(diagnostic.column - 1).take(diagnostic.length).collect();
        let hint = diagnostic.suggestion.as_ref().map(|word| format!(" ({word}?)"));
        let hint = hint.unwrap_or_default();
        if diagnostic.file == Path::new("/proc/cmdline") {
            lines.push(format!("{}: {marked}: {message}{hint}", diagnostic.column));
        } else {
            lines.push(format!("{problem}"));
        }
    }
    if all.off {
        lines.push("off".to_owned());
    }
    lines
}

/// Runs a table of command lines and outcomes; P and B in them stand for the two UUIDs.
fn check(bektab: &str, cases: &[(&str, &[&str])]) {
    for (cmdline, expected) in cases {
        let fill = |text: &str| text.replace("{P}", PART).replace("{B}", BOOT);
        let expected: Vec<String> = expected.iter().map(|line| fill(line)).collect();
        assert_eq!(outcome(&fill(bektab), &fill(cmdline)), expected, "{cmdline}");
    }
}

#[test]
fn quotation_marks_are_the_kernels() {
    let spaced = &["+ data1 /dev/sdc - x-initrd.attach,timeout=90500000us"][..];
    check(
        "",
        &[
            ("rd.bek.device=\"data1=/dev/sdc\"", &["+ data1 /dev/sdc - x-initrd.attach"]),
            ("\"rd.bek.device=data1=/dev/sdc\"", &["+ data1 /dev/sdc - x-initrd.attach"]),
            ("rd.bek.device=data1=\"/dev/sdc\"", &["+ data1 /dev/sdc - x-initrd.attach"]),
            (
                "rd.bek.device=data1=LABEL=\"my disk\"",
                &["+ data1 LABEL=my\\040disk - x-initrd.attach"],
            ),
            ("rd.bek.device=data1=/dev/sdc \"rd.bek.options=data1=timeout=1min 30s500ms\"", spaced),
            ("rd.bek.device=data1=/dev/sdc rd.bek.options=\"data1=timeout=1min 30s500ms\"", spaced),
            ("rd.bek.device=data1=/dev/sdc rd.bek.options=data1=\"timeout=1min 30s500ms\"", spaced),
            // A mark that nobody closes swallows what follows.
            (
                "rd.bek.device=data1=/dev/sdc rd.bek.options=\"data1=nofail quiet",
                &["refused data1", "52: nofail quiet: unknown option \"nofail quiet\""],
            ),
            (
                "rd.bek.device=data1=/d\"ev\"/sdc rd.bek.options=data1=header=\"/h\"",
                &["refused data1", "60: \"/h\": not an absolute path"],
            ),
            ("dyndbg=\"a rd.bek=0 b\" quiet", &[]),
            // Init's parameters: systemd and dracut read them as ours, too.
            ("quiet -- rd.bek=0", &["off"]),
        ],
    );
}

#[test]
fn it_can_be_switched_off() {
    let line = "  data1 /dev/sdc - -";
    check(
        "data1 /dev/sdc - -",
        &[
            ("rd.bek=0", &[line, "off"]),
            ("rd.bek=no", &[line, "off"]),
            ("rd.bek=OFF", &[line, "off"]),
            ("rd.bek", &[line]),
            ("rd.bek=1", &[line]),
            ("rd.bek=0 rd.bek=0", &[line, "off"]),
            (
                "rd.bek=1 rd.bek=0",
                &[line, "10: rd.bek=0: column 1 says otherwise: rd.bek=1", "off"],
            ),
            ("rd.bek=0 rd.bek=1", &[line, "10: rd.bek=1: column 1 says otherwise: rd.bek=0"]),
            ("rd.bek=", &[line, "1: rd.bek=: rd.bek is 0 or 1, not \"\""]),
            ("rd.bek=2", &[line, "1: rd.bek=2: rd.bek is 0 or 1, not \"2\""]),
            // By hand everything still opens.
            ("rd.bek=0 rd.bek.device=data1=/dev/sdd", &["+ data1 /dev/sdd - -", "off"]),
        ],
    );
}

/// Whole images: what `load` reads there, against the file `expected` beside it.
#[test]
fn the_fixtures_say_what_they_are_expected_to() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config");
    let mut count = 0;
    for case in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if !case.file_name().to_string_lossy().starts_with("cmdline-") {
            continue;
        }
        let expected = std::fs::read_to_string(case.path().join("expected")).unwrap();
        let found = described(&load(&case.path())).join("\n") + "\n";
        assert_eq!(found, expected, "{}", case.path().display());
        count += 1;
    }
    assert!(count >= 6, "{count}");
}
