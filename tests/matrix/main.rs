//! The fault matrix: every step of opening a volume meets every fault that it can meet.
//!
//! The real program runs once or more for each case, before the emulator at Azure's own addresses
//! and on LUKS images in files, in namespaces (tests/root/run). Each asserts how the run ended,
//! what it said, whom it asked how often, that it kept to its deadline, and that it left nothing:
//! no mount, mapping, loop device, process, and no file with a passphrase or a token. What needs
//! device-mapper or a mounted disk is listed in guest.rs and run by the root ring,
//! tests/root/matrix.rs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails loudly"
)]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use case::Case;
use plan::{End, Row};

mod answers;
mod case;
#[expect(dead_code, reason = "set up and run by the root ring")]
mod guest;
mod images;
mod left;
mod local;
mod network;
mod plan;
mod report;
mod run;
mod signals;
mod trouble;
mod world;

/// Most of a case is waiting.
const WORKERS: usize = 12;

fn cases() -> Vec<Case> {
    [network::cases(), answers::cases(), local::cases(), signals::cases()].concat()
}

#[test]
#[ignore = "needs namespaces and Azure's addresses: make check-root"]
fn every_step_meets_every_fault_it_can_meet() {
    // Part of a case's name; the test's own name selects all of them.
    let only = std::env::var("MATRIX").unwrap_or_default();
    let mut cases = cases();
    cases.retain(|case| case.name().contains(&only));
    // The long ones first, so that none is left over for one worker.
    cases.sort_by_key(|case| std::cmp::Reverse(matches!(case.end, End::Exit(69))));
    let images = tempfile::tempdir().unwrap();
    images::prepare(images.path());
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..WORKERS {
            let (cases, next, failed) = (&cases, &next, &failed);
            let images: &Path = images.path();
            scope.spawn(move || {
                let world = world::World::enter(number, images);
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let mut wrong = run::judge(&world, case);
                    if let End::Signal(_) = case.end {
                        wrong.extend(run::judge(&world, &case.undisturbed()));
                    }
                    if !wrong.is_empty() {
                        let text = format!("{}\n{}\n", case.name(), wrong.join("\n"));
                        failed.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let rows: Vec<Row> = cases.iter().map(Case::row).collect();
    // Shown also when nothing fails: the harness keeps what is printed.
    let _ = writeln!(std::io::stderr(), "{}", report::tables(&rows));
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

#[test]
fn no_case_is_there_twice() {
    let names: Vec<String> = cases().iter().map(Case::name).collect();
    let different: BTreeSet<&String> = names.iter().collect();
    assert_eq!(different.len(), names.len());
}

/// All cases, those of the root ring, too.
fn rows() -> Vec<Row> {
    let here = cases().into_iter().map(|case| case.row());
    let there = guest::cases().into_iter();
    let there = there.map(|case| Row { step: case.step, fault: case.fault, end: case.end });
    here.chain(there).collect()
}

#[test]
fn the_manual_shows_the_matrix_as_it_is() {
    let manual = include_str!("../../docs/testing.md");
    let tables = report::tables(&rows());
    assert!(rows().len() >= 250);
    assert!(manual.contains(&tables), "docs/testing.md has other tables than:\n{tables}");
}
