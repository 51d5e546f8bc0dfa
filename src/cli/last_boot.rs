//! `bek-unlock status --last-boot`: what the unlocks of this boot took, and why.

use std::io;
use std::path::Path;

use serde_json::json;

use crate::edge::boot_report::{BootReport, Report};
use crate::error::{Error, Goal, Kind};
use crate::report::last_boot::lines;
use crate::unlock::account::Account;
use crate::volume::VolumeName;

/// What people read, or with `json` one array of runs; of all volumes without `names`, in the order
/// in which the runs began.
///
/// Errors: `ConfigurationUnreadable` for what is there and is no report.
pub fn run(root: &Path, names: &[VolumeName], json: bool) -> Result<String, Error> {
    let report = match BootReport::new(root).read() {
        Ok(report) => report,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Report::default(),
        Err(error) => {
            let path = root.join("run/bek-unlock/report.json");
            let reason = error.kind().to_string();
            return Err(Error::new(Goal::Show, Kind::ConfigurationUnreadable { path, reason }));
        }
    };
    let asked = |name: &str| names.is_empty() || names.iter().any(|asked| asked.as_str() == name);
    let mut runs: Vec<(&str, &Account)> = report
        .volumes
        .iter()
        .filter(|(name, _)| asked(name))
        .flat_map(|(name, runs)| runs.iter().map(move |run| (name.as_str(), run)))
        .collect();
    runs.sort_by_key(|(_, run)| run.start_ms);
    if names.is_empty() && runs.is_empty() && !json {
        return Ok("no volume was opened in this boot, and none failed\n".to_owned());
    }
    if json {
        return Ok(json_text(&runs));
    }
    let without = names.iter().filter(|name| !report.volumes.contains_key(name.as_str()));
    let without = without.map(|name| format!("{name} was not opened in this boot\n"));
    Ok(text(&runs) + &without.collect::<String>())
}

fn json_text(runs: &[(&str, &Account)]) -> String {
    let value = |(name, run): &(&str, &Account)| {
        let mut value = json!(run);
        if let Some(object) = value.as_object_mut() {
            object.insert("volume".to_owned(), json!(name));
        }
        value
    };
    format!("{}\n", json!(runs.iter().map(value).collect::<Vec<_>>()))
}

fn text(runs: &[(&str, &Account)]) -> String {
    let longest = runs.iter().map(|(_, run)| run.elapsed()).max().unwrap_or_default();
    let mut text = String::new();
    for (name, run) in runs {
        let slowest = runs.len() > 1 && run.elapsed() == longest;
        for line in lines(name, run, slowest) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn name(name: &str) -> VolumeName {
        VolumeName::parse(name).unwrap()
    }

    fn add(root: &Path, volume: &str, start_ms: u64, end_ms: u64) {
        let result = "already-open".to_owned();
        let account = Account { result, start_ms, end_ms, ..Account::default() };
        BootReport::new(root).add(&name(volume), account).unwrap();
    }

    #[test]
    fn runs_stand_in_the_order_of_the_boot_and_the_slowest_is_marked() {
        let root = tempfile::tempdir().unwrap();
        add(root.path(), "a", 5_000, 6_000);
        add(root.path(), "b", 1_000, 4_000);
        add(root.path(), "a", 7_000, 7_100);
        let text = run(root.path(), &[], false).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "b was open already",
                "    from 1.0 s to 4.0 s of the boot, the slowest",
                "a was open already",
                "    from 5.0 s to 6.0 s of the boot",
                "a was open already",
                "    from 7.0 s to 7.1 s of the boot",
            ]
        );
        let one = run(root.path(), &[name("b"), name("c")], false).unwrap();
        // Alone it is not the slowest of anything.
        let expected = "b was open already\n    from 1.0 s to 4.0 s of the boot\n\
                        c was not opened in this boot\n";
        assert_eq!(one, expected);
        let json = run(root.path(), &[name("a")], true).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json.as_array().unwrap().len(), 2);
        assert_eq!((&json[1]["volume"], &json[1]["start_ms"]), (&json!("a"), &json!(7_000)));
    }

    #[test]
    fn no_report_is_no_failure_and_a_damaged_one_is() {
        let root = tempfile::tempdir().unwrap();
        let none = "no volume was opened in this boot, and none failed\n";
        assert_eq!(run(root.path(), &[], false).unwrap(), none);
        assert_eq!(run(root.path(), &[], true).unwrap(), "[]\n");
        add(root.path(), "a", 1, 2);
        fs::write(root.path().join("run/bek-unlock/report.json"), "{").unwrap();
        let error = run(root.path(), &[], false).unwrap_err();
        assert_eq!(error.kind.name(), "configuration-unreadable");
        assert!(error.kind.to_string().contains("run/bek-unlock/report.json"), "{error:?}");
    }
}
