use super::*;

fn entry(step: &str, source: Option<&str>, start_ms: u64, ms: u64) -> Entry {
    let source = source.map(str::to_owned);
    Entry { step: step.to_owned(), source, start_ms, ms, tries: 1, ..Entry::default() }
}

fn token(ms: u64, offline_ms: u64) -> Entry {
    Entry {
        service: Some("metadata service".to_owned()),
        tries: 3,
        retrying_ms: ms,
        offline_ms,
        problem: Some("HTTP 503".to_owned()),
        ..entry("token", Some("key-vault"), 5_300, ms)
    }
}

fn run() -> Account {
    Account {
        result: "unlocked".to_owned(),
        initramfs: true,
        start_ms: 4_200,
        end_ms: 7_500,
        device: Some("/dev/sdc".to_owned()),
        source: Some("key-vault".to_owned()),
        steps: vec![
            entry("device", None, 4_200, 1_000),
            entry("source", Some("key-vault"), 5_300, 2_200),
            token(2_100, 0),
        ],
        ..Account::default()
    }
}

#[test]
fn the_journal_s_line_says_what_took_longest_and_leaves_the_rest_to_the_one_before() {
    let mut run = run();
    let service = "data3: 3.3 s in all, 2.1 s of it waiting for the metadata service";
    assert_eq!(message("data3", &run), service);
    run.steps.clear();
    assert_eq!(message("data3", &run), "data3: 3.3 s in all");
}

#[test]
fn a_headline_says_what_took_longest() {
    let mut run = run();
    let opened = "data3 opened with Key Vault in 3.3 s";
    let service = "2.1 s of it waiting for the metadata service";
    assert_eq!(headline("data3", &run), format!("{opened}, {service}"));
    run.steps[2] = token(2_100, 2_000);
    assert_eq!(headline("data3", &run), format!("{opened}, 2.1 s of it waiting for the network"));
    run.steps[2].ms = 900;
    assert_eq!(headline("data3", &run), format!("{opened}, 1.0 s of it waiting for its device"));
    run.steps.clear();
    assert_eq!(headline("data3", &run), opened);
}

#[test]
fn a_failure_says_its_word_and_its_status() {
    let failed = Account {
        result: "failed".to_owned(),
        error: Some("metadata-unreachable".to_owned()),
        exit_status: 69,
        ..run()
    };
    assert_eq!(
        headline("data3", &failed),
        "data3 failed after 3.3 s: metadata-unreachable, status 69, 2.1 s of it waiting for the \
         metadata service"
    );
}

#[test]
fn the_steps_stand_below() {
    assert_eq!(
        lines("data3", &run(), true),
        [
            "data3 opened with Key Vault in 3.3 s, 2.1 s of it waiting for the metadata service",
            "    from 4.2 s to 7.5 s of the boot, in the initramfs, /dev/sdc, the slowest",
            "       4.2 s    1.0 s  device",
            "       5.3 s    2.2 s  Key Vault",
            "       5.3 s    2.1 s    metadata service: a token: 3 tries, HTTP 503",
        ]
    );
}

#[test]
fn a_source_that_failed_says_why() {
    let mut run = run();
    run.steps[1].error = Some("metadata-unreachable".to_owned());
    let line = "       5.3 s    2.2 s  Key Vault: metadata-unreachable";
    assert_eq!(lines("data3", &run, false)[3], line);
}

#[test]
fn the_journal_has_the_steps_in_one_field() {
    assert_eq!(steps(&run()), "device=1000 token=2100/3");
}

/// What is not known here comes from a newer program; it is shown all the same.
#[test]
fn every_step_has_its_words() {
    use crate::deadline::trace::{Asked, Doing};
    let doings = [
        Doing::Device,
        Doing::Header,
        Doing::KeyDisk,
        Doing::ReadKeyDisk,
        Doing::Request(Asked::Token, String::new()),
        Doing::Request(Asked::VmName, String::new()),
        Doing::Request(Asked::Secret, String::new()),
        Doing::Request(Asked::List, String::new()),
        Doing::Request(Asked::UnwrapKey, String::new()),
        Doing::Memory,
        Doing::Keyslots,
        Doing::Content,
        Doing::Question,
    ];
    for doing in doings {
        let text = done(&entry(doing.as_str(), None, 0, 0));
        assert_ne!(text, format!("network: {}", doing.as_str()));
    }
    assert_eq!(done(&entry("moon", None, 0, 0)), "network: moon");
}
