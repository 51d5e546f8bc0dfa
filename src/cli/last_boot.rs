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
