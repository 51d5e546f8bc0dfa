//! Killed at every step: strace(1) sends SIGKILL as the program is about to say the next one.
//!
//! Each step is said with one write(2) before it is taken, so this is a death between any two. What
//! a death inside of a step leaves is told by values in src/rekey/tests.rs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::rotate::enroll;
use crate::world::{KEK, KEY, Run, VAULT, World};

/// Runs the program and kills it at its `at`-th line on standard error; whether it came so far.
fn killed(world: &World, words: &[&str], input: &[u8], at: usize) -> (bool, Run) {
    let said = world.path("said");
    fs::write(&said, "").unwrap();
    let mut command = Command::new("sh");
    // The file is what strace tells the writes by.
    command.args(["-c", "exec \"$@\" 2>\"$0\""]).arg(&said);
    command.args(["strace", "-f", "-qqq", "-o", "/dev/null", "-P"]).arg(&said);
    command.args(["-e", "trace=write"]);
    command.arg(format!("--inject=write:signal=KILL:when={at}"));
    command.arg(env!("CARGO_BIN_EXE_bek-unlock")).args(words).arg("--ca").arg(world.path("ca.pem"));
    let run = world.ran(command, input);
    let stderr = fs::read_to_string(&said).unwrap();
    (run.status != Some(0), Run { stderr, ..run })
}

/// Kills `words` at each of its lines in turn, each time in a world that `prepare` made, and lets
/// `check` look at what is left and at what the next run makes of it. How many there were.
fn at_every_step(
    prepare: impl Fn() -> (World, std::path::PathBuf),
    words: impl Fn(&Path) -> Vec<String>,
    input: &[u8],
    check: impl Fn(&World, &Path, &str),
) -> usize {
    for at in 1.. {
        let (world, image) = prepare();
        let owned = words(&image);
        let words: Vec<&str> = owned.iter().map(String::as_str).collect();
        let (died, run) = killed(&world, &words, input, at);
        if !died {
            return at;
        }
        let last = run.stderr.lines().last().unwrap_or_default().to_owned();
        check(&world, &image, &format!("killed after {last:?}"));
        let next = world.run(&words, input);
        if next.status != Some(0) {
            // It had been over: what was to be made is there.
            let said = next.refuses(4, "already");
            assert!(last.contains("forgetting the note"), "{last}: {said:#?}");
        }
        check(&world, &image, &format!("finished after {last:?}"));
        world.nothing_is_under_way();
    }
    unreachable!()
}

#[test]
#[ignore = "needs Azure's addresses and strace: make check-root"]
fn a_rotation_that_is_killed_at_any_step_leaves_a_volume_that_opens() {
    let prepare = || {
        let world = World::new();
        let image = world.volume("luks2", None);
        enroll(&world, &image, &["--to-token", "--to-vault", VAULT, "--secret-name", "bek-data1"]);
        (world, image)
    };
    let words = |_: &Path| vec!["rotate".to_owned(), "data1".to_owned()];
    let steps = at_every_step(prepare, words, b"", |world, image, when| {
        let run = world.opens_by_line();
        assert_eq!(run.status, Some(0), "{when}: {run:#?}");
        assert!(world.opens(image, KEY.as_bytes()), "{when}");
        if when.starts_with("finished") {
            let (slots, metadata) = world.keyslots(image);
            assert_eq!(
                (slots.len(), metadata["tokens"].as_object().unwrap().len()),
                (2, 1),
                "{when}"
            );
        }
    });
    assert!(steps > 10, "{steps} steps");
}

#[test]
#[ignore = "needs Azure's addresses and strace: make check-root"]
fn an_enrolment_that_is_killed_at_any_step_is_finished_by_the_next_run() {
    let prepare = || {
        let world = World::new();
        let image = world.volume("luks2", None);
        (world, image)
    };
    let words = |image: &Path| {
        let device = image.to_str().unwrap();
        let words = [
            "enroll",
            device,
            "--kek",
            KEK,
            "--to-vault",
            VAULT,
            "--secret-name",
            "bek-data1",
            "--to-file",
            "/etc/bek-unlock/data1.wrapped",
            "--name",
            "data1",
            "--write",
            "--key-file",
            "-",
        ];
        words.map(str::to_owned).to_vec()
    };
    let steps = at_every_step(prepare, words, KEY.as_bytes(), |world, image, when| {
        assert!(world.opens(image, KEY.as_bytes()), "{when}");
        if when.starts_with("finished") {
            let run = world.opens_by_line();
            assert_eq!(run.status, Some(0), "{when}: {run:#?}");
            assert_eq!(world.keyslots(image).0, [0, 1], "{when}");
        }
    });
    assert!(steps > 10, "{steps} steps");
}
