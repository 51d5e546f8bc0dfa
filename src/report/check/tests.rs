use super::*;
use crate::check::Topic;
use crate::key::SourceName;

fn report(findings: Vec<Finding>) -> Report {
    let volumes = vec![Checked { name: "data1".to_owned(), at_boot: true, findings }];
    Report { machine: Vec::new(), volumes }
}

#[test]
fn lines_stand_below_each_other_and_break_between_words() {
    let long = "word ".repeat(30);
    let findings = vec![
        Finding::good(Topic::Line, "/etc/bektab:1"),
        Finding::warning(Topic::Key(SourceName::Token), long.trim_end(), "mend it"),
    ];
    let text = text(&report(findings), false);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["data1", "  ok       line        /etc/bektab:1"]);
    assert!(lines[2].starts_with("  warning  luks2-token word word"), "{text}");
    assert!(lines[3].starts_with(&format!("{:23}word", "")), "{text}");
    assert!(text.contains(&format!("\n{:23}-> mend it\n", "")), "{text}");
    assert!(lines.iter().all(|line| line.len() <= WIDTH), "{text}");
    assert_eq!(lines.last(), Some(&"the next boot opens 1 volume, with warnings"));
}

#[test]
fn colours_are_for_terminals_and_hide_nothing() {
    let findings = vec![Finding::bad(Topic::Unit, "masked", "unmask it")];
    let (plain, colour) = (text(&report(findings.clone()), false), text(&report(findings), true));
    assert!(!plain.contains('\x1b'));
    assert!(colour.contains("\x1b[31mfailed  \x1b[0m unit"), "{colour:?}");
    assert_eq!(colour.replace("\x1b[31m", "").replace("\x1b[0m", ""), plain);
}

#[test]
fn the_last_line_counts_volumes() {
    let good = || one(true, Finding::good(Topic::Line, "x"));
    let bad = || one(true, Finding::bad(Topic::Line, "x", "y"));
    let of = |volumes, machine| summary(&Report { machine, volumes });
    assert_eq!(of(vec![good(), good()], vec![]), "the next boot opens 2 volumes");
    assert_eq!(of(vec![bad()], vec![]), "the next boot leaves 1 volume closed");
    let both = "the next boot leaves 1 volume closed, and opens 1";
    assert_eq!(of(vec![bad(), good()], vec![]), both);
    // Without a generator there is nothing to be counted.
    let machine = || vec![Finding::bad(Topic::Unit, "x", "y")];
    let not_ready = "the next boot is not ready: see failed above";
    assert_eq!(of(vec![good()], machine()), not_ready);
    assert_eq!(of(vec![bad(), good()], machine()), not_ready);
}

fn one(at_boot: bool, finding: Finding) -> Checked {
    Checked { name: "x".to_owned(), at_boot, findings: vec![finding] }
}

#[test]
fn what_is_opened_at_need_is_not_counted_as_opened_by_the_boot() {
    let good = |at_boot| one(at_boot, Finding::good(Topic::Line, "x"));
    let warned = || one(false, Finding::warning(Topic::Device, "x", "y"));
    let bad = |at_boot| one(at_boot, Finding::bad(Topic::Line, "x", "y"));
    let of = |volumes| summary(&Report { machine: Vec::new(), volumes });
    let later = "is opened at need or by hand only";
    assert_eq!(of(vec![good(false)]), format!("the next boot opens no volume; 1 {later}"));
    let opens = "the next boot opens 1 volume";
    let found = of(vec![good(true), warned()]);
    assert_eq!(found, format!("{opens}; 1 {later}, with warnings"));
    let found = of(vec![good(true), good(false), good(false)]);
    assert_eq!(found, format!("{opens}; 2 are opened at need or by hand only"));
    let closed = "the next boot leaves 1 volume closed";
    assert_eq!(of(vec![bad(true), good(false)]), format!("{closed}; 1 {later}"));
    let never = "1 cannot be opened at need or by hand";
    assert_eq!(of(vec![good(true), bad(false)]), format!("{opens}; {never}"));
    let volumes = vec![bad(true), good(false), bad(false)];
    let text = text(&Report { machine: Vec::new(), volumes }, false);
    assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    let all = text.lines().skip_while(|line| !line.starts_with("the next")).collect::<Vec<_>>();
    assert_eq!(all.join(" "), format!("{closed}; 1 {later}; {never}"));
}

#[test]
fn json_has_the_words_of_the_errors() {
    let kind = crate::error::Kind::ContentUnrecognized;
    let findings = vec![Finding::failure(Topic::Header, Level::Bad, kind)];
    let value = report_json(&report(findings));
    assert_eq!((&value["result"], &value["exit_status"]), (&json!("failed"), &json!(4)));
    let finding = &value["volumes"][0]["findings"][0];
    assert_eq!(finding["error"], "content-unrecognized");
    assert_eq!((&finding["topic"], &finding["result"]), (&json!("header"), &json!("failed")));
}

/// bek-unlock(8) shows it.
#[test]
fn the_manual_s_example_is_what_is_printed() {
    let (fstab, advice) = (
        "/srv has no nofail: a boot with the volume closed ends in a shell",
        "add nofail to that line of /etc/fstab, as in bektab",
    );
    let key = "key disk /dev/sdc1: LinuxPassPhraseFileName_1_0 opens keyslot 0";
    let unit = "bek-unlock@data1.service, started by cryptsetup.target";
    let findings = vec![
        Finding::good(Topic::Line, "/etc/bektab:1"),
        Finding::good(Topic::Device, "/dev/disk/azure/scsi1/lun0 is /dev/sdd"),
        Finding::good(Topic::Header, "LUKS2, 1 keyslot"),
        Finding::good(Topic::Key(SourceName::KeyDisk), key),
        Finding::good(Topic::Unit, unit),
        Finding::warning(Topic::Fstab, fstab, advice),
    ];
    let installed = Finding::good(Topic::Unit, "units and generator are installed");
    let report = Report { machine: vec![installed], ..report(findings) };
    let page = include_str!("../../../docs/man/bek-unlock.8.scd");
    let printed = format!("# bek-unlock check data1\n{}", text(&report, false));
    assert!(page.contains(&printed), "{printed}");
}
