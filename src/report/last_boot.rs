//! The boot report for people and for the journal: why a boot took as long as it did.

use std::time::Duration;

use super::logger;
use crate::error::seconds;
use crate::message_id;
use crate::unlock::account::{Account, Entry};
use crate::volume::VolumeName;

/// Less is not worth a word in a headline.
const WORTH: Duration = Duration::from_millis(100);

/// The one line that says it: `data3 opened with Key Vault in 3.3 s, 2.1 s of it waiting for the
/// metadata service`.
pub fn headline(name: &str, run: &Account) -> String {
    let elapsed = seconds(run.elapsed());
    let what = match run.result.as_str() {
        "unlocked" => format!("opened with {} in {elapsed}", source(run.source.as_deref())),
        "key-found" => format!("got its key from {} in {elapsed}", source(run.source.as_deref())),
        "already-open" => "was open already".to_owned(),
        "new-resource-disk" => "is a new resource disk, not encrypted".to_owned(),
        _ => {
            let error = run.error.as_deref().unwrap_or("unknown");
            format!("failed after {elapsed}: {error}, status {}", run.exit_status)
        }
    };
    format!("{name} {what}{}", most(run))
}

/// What the longest step of a run was, where it is worth a word.
fn most(run: &Account) -> String {
    let longest = run.longest().filter(|entry| Duration::from_millis(entry.ms) >= WORTH);
    longest.map_or(String::new(), |entry| {
        format!(", {} of it {}", seconds(Duration::from_millis(entry.ms)), spent(entry))
    })
}

/// Logs where the time of a run went, with its steps as fields. How it ended is the message's before
/// this one.
pub fn log(name: &VolumeName, run: &Account) {
    log::info!(
        target: logger::JOURNAL,
        MESSAGE_ID = message_id::TIMES,
        BEK_VOLUME = name.as_str(),
        BEK_DEVICE = run.device.as_deref().unwrap_or_default(),
        BEK_SOURCE = run.source.as_deref().unwrap_or_default(),
        BEK_ERROR = run.error.as_deref().unwrap_or_default(),
        BEK_EXIT_STATUS = run.exit_status,
        BEK_ELAPSED_USEC = u64::try_from(run.elapsed().as_micros()).unwrap_or(u64::MAX),
        BEK_START_MSEC = run.start_ms,
        BEK_STEPS = steps(run).as_str();
        "{}", message(name.as_str(), run)
    );
}

/// The journal's line of it.
fn message(name: &str, run: &Account) -> String {
    format!("{name}: {} in all{}", seconds(run.elapsed()), most(run))
}

/// `device=0 header=12 key-disk=1003 token=2100/3 ...`: milliseconds, and tries where they were
/// more than one.
fn steps(run: &Account) -> String {
    let step = |entry: &Entry| match entry.tries {
        0 | 1 => format!("{}={}", entry.step, entry.ms),
        tries => format!("{}={}/{tries}", entry.step, entry.ms),
    };
    let counted = run.steps.iter().filter(|entry| entry.is_counted());
    counted.map(step).collect::<Vec<_>>().join(" ")
}

/// The lines about one run: its headline, when it was, and below it the steps.
pub fn lines(name: &str, run: &Account, slowest: bool) -> Vec<String> {
    let mut lines = vec![headline(name, run)];
    let mark = if slowest { ", the slowest" } else { "" };
    let place = if run.initramfs { ", in the initramfs" } else { "" };
    let device = run.device.as_ref().map_or(String::new(), |device| format!(", {device}"));
    lines.push(format!(
        "    from {} to {} of the boot{place}{device}{mark}",
        since(run.start_ms),
        since(run.end_ms)
    ));
    let indent = |entry: &Entry| if entry.source.is_some() { "  " } else { "" };
    for entry in &run.steps {
        let text = match entry.step.as_str() {
            "source" => source_label(entry.source.as_deref()).to_owned(),
            _ => format!("{}{}", indent(entry), done(entry)),
        };
        let line = format!(
            "    {:>8}  {:>7}  {text}{}",
            since(entry.start_ms),
            seconds(Duration::from_millis(entry.ms)),
            outcome(entry)
        );
        lines.push(line);
    }
    for cause in run.causes.iter().filter(|_| run.result == "failed") {
        lines.push(format!("    cause: {}", cause.text));
    }
    lines
}

/// What came of a step, where it is not simply done.
fn outcome(entry: &Entry) -> String {
    let mut parts = Vec::new();
    if entry.tries > 1 {
        parts.push(format!("{} tries", entry.tries));
    }
    if let Some(problem) = &entry.problem {
        parts.push(problem.clone());
    }
    if entry.offline_ms > 0 {
        let offline = seconds(Duration::from_millis(entry.offline_ms));
        parts.push(format!("{offline} without a network"));
    }
    parts.extend(entry.error.clone());
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}

/// A moment of the boot, to the tenth of a second.
fn since(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

/// What the time of a step was spent on.
fn spent(entry: &Entry) -> String {
    if entry.offline_ms > entry.ms / 2 {
        return "waiting for the network".to_owned();
    }
    awaited(&entry.step, entry.service.as_deref())
}

/// What a step that takes its time is waiting for or doing.
pub(super) fn awaited(step: &str, service: Option<&str>) -> String {
    let service = match service {
        Some("metadata service") => "the metadata service",
        Some(host) => host,
        None => "the network",
    };
    match step {
        "device" => "waiting for its device".to_owned(),
        "header" => "waiting for its header".to_owned(),
        "key-disk" | "read-key-disk" => "waiting for the key disk".to_owned(),
        "memory" => "waiting for memory".to_owned(),
        "keyslots" => "trying keys".to_owned(),
        "content" => "looking at its content".to_owned(),
        "question" => "waiting for a passphrase".to_owned(),
        "source" => "asking a key source".to_owned(),
        _ => format!("waiting for {service}"),
    }
}

/// A step in the list.
fn done(entry: &Entry) -> String {
    let service = entry.service.as_deref().unwrap_or("network");
    match entry.step.as_str() {
        "device" => "device".to_owned(),
        "header" => "header".to_owned(),
        "key-disk" => "wait for the key disk".to_owned(),
        "read-key-disk" => "read the key disk".to_owned(),
        "memory" => "memory for the KDF".to_owned(),
        "keyslots" => "keys tried in the keyslots".to_owned(),
        "content" => "content looked at".to_owned(),
        "question" => "question to a person".to_owned(),
        "token" => format!("{service}: a token"),
        "vm-name" => format!("{service}: name of the VM"),
        "secret" => format!("{service}: a secret"),
        "list" => format!("{service}: list of secrets"),
        "unwrap-key" => format!("{service}: unwrapKey"),
        other => format!("{service}: {other}"),
    }
}

fn source(word: Option<&str>) -> &'static str {
    match word {
        Some("key-disk") => "the key disk",
        Some("file") => "a key file",
        Some("luks2-token") => "the LUKS2 token",
        Some("key-vault") => "Key Vault",
        Some("prompt") => "a typed passphrase",
        _ => "a key",
    }
}

fn source_label(word: Option<&str>) -> &'static str {
    match word {
        Some("key-disk") => "key disk",
        Some("file") => "key file",
        Some("luks2-token") => "LUKS2 token",
        Some("key-vault") => "Key Vault",
        Some("prompt") => "prompt",
        _ => "key source",
    }
}

#[cfg(test)]
mod tests;
