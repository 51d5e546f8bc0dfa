//! The only place that speaks.
//!
//! Functions below cli.rs return errors and log at most at debug level; each failure is reported
//! once, here, by the layer that knows what was attempted. Words: plain ASCII, lower case, no full
//! stop at the end, 79 columns, every line with the program's name, because a serial console
//! interleaves the lines of many. Results go to stdout, everything else to stderr or the journal.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Error, Kind, seconds};
use crate::hint;
use crate::key::SourceName;
use crate::message_id;
use crate::recovery::{Key, Origin};
use crate::unlock::{Opened, Outcome};
use crate::volume::{Volume, VolumeName};

pub mod check;
mod journal;
pub mod last_boot;
pub mod logger;
pub mod panic;
pub mod progress;
pub mod recovery;
pub mod rekey;
pub mod waiting;

/// Reports a failure: one block, error, causes, hints; once to the journal with its fields, and
/// with `json` as an object on stdout.
pub fn failure(error: &Error, json: bool) {
    if json {
        result(&format!("{}\n", failure_json(error)));
    }
    let (volume, device) = names(error);
    log::error!(
        MESSAGE_ID = message_id::for_kind(&error.kind),
        BEK_ERROR = error.kind.name(),
        BEK_EXIT_STATUS = error.kind.exit_status(),
        BEK_VOLUME = volume.as_str(),
        BEK_DEVICE = device.as_str();
        "{}", lines(error).join("\n")
    );
}

/// The lines of a failure, without the program's name.
pub fn lines(error: &Error) -> Vec<String> {
    let mut lines = vec![format!("error: {error}")];
    let causes = std::iter::once(&error.kind).chain(&error.others);
    for cause in causes {
        // One line for each way to sign in: all of them in one are more than a console shows.
        if let Kind::SignInUnavailable(ways) = cause {
            if ways.len() > 1 {
                lines.push("cause: no way to sign in to Azure".to_owned());
                lines.extend(ways.iter().map(|way| format!("cause: {way}")));
                continue;
            }
        }
        lines.push(format!("cause: {cause}"));
        if let Kind::Configuration(diagnostic) = cause {
            lines.extend(diagnostic.excerpt());
        }
        if let Kind::NoTarget(no_target) = cause {
            lines.extend(no_target.listed.iter().map(|line| format!("    {line}")));
        }
    }
    lines.extend(hint::for_error(error).iter().map(|hint| format!("hint: {hint}")));
    lines
}

/// Reports a mistake in a line that this run does not need.
pub fn passing_problem(kind: &Kind) {
    log::warn!(
        MESSAGE_ID = message_id::for_kind(kind),
        BEK_ERROR = kind.name();
        "{kind}"
    );
}

/// Reports an opened volume.
pub fn opened(volume: &Volume, outcome: &Outcome, elapsed: Duration, json: bool) {
    if json {
        result(&format!("{}\n", opened_json(volume, outcome, elapsed)));
    }
    let name = volume.name.as_str();
    match outcome {
        Outcome::AlreadyOpen { device } => {
            let device = device.display().to_string();
            log::info!(
                MESSAGE_ID = message_id::ALREADY_OPEN,
                BEK_VOLUME = name,
                BEK_DEVICE = device.as_str();
                "{name} is already unlocked"
            );
        }
        Outcome::NewResourceDisk { device } => {
            let device = device.display().to_string();
            log::info!(
                BEK_VOLUME = name,
                BEK_DEVICE = device.as_str();
                "{name}: {device} is a new resource disk, not encrypted; nothing to open"
            );
        }
        Outcome::Opened(opened) => {
            on_the_way(&volume.name, opened);
            let device = opened.device.display().to_string();
            let header = opened.detached.as_ref().map(|(spec, _)| spec.to_string());
            log::info!(
                MESSAGE_ID = message_id::UNLOCKED,
                BEK_VOLUME = name,
                BEK_DEVICE = device.as_str(),
                BEK_SOURCE = opened.source.as_str(),
                BEK_HEADER = header.as_deref().unwrap_or_default(),
                BEK_ELAPSED_USEC = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
                "{name} unlocked with {} in {}", phrase(opened.source), seconds(elapsed)
            );
        }
    }
}

/// Reports a key that was found for somebody else.
pub fn key_found(volume: &Volume, found: &Opened, elapsed: Duration) {
    on_the_way(&volume.name, found);
    let device = found.device.display().to_string();
    log::info!(
        BEK_VOLUME = volume.name.as_str(),
        BEK_DEVICE = device.as_str(),
        BEK_SOURCE = found.source.as_str();
        "{}: key from {} handed over after {}",
        volume.name, phrase(found.source), seconds(elapsed)
    );
}

/// Reports the key of a token that was handed to the plugin in libcryptsetup.
pub fn token_key(device: Option<&Path>, origin: &str, elapsed: Duration) {
    let device = device.map(|path| path.display().to_string()).unwrap_or_default();
    let about = if device.is_empty() { String::new() } else { format!("{device}: ") };
    log::debug!("{origin}");
    log::info!(
        BEK_DEVICE = device.as_str(),
        BEK_SOURCE = SourceName::Token.as_str();
        "{about}key from {} handed over after {}", phrase(SourceName::Token), seconds(elapsed)
    );
}

/// What is worth knowing though the key was found.
fn on_the_way(name: &VolumeName, opened: &Opened) {
    for kind in &opened.passed_over {
        log::info!(
            MESSAGE_ID = message_id::for_kind(kind),
            BEK_ERROR = kind.name(),
            BEK_VOLUME = name.as_str();
            "{name}: passed over: {kind}"
        );
    }
    if opened.trimmed {
        let origin = &opened.origin;
        log::warn!("{origin} fits only without its final newline");
    }
}

/// Reports a closed volume.
pub fn closed(name: &VolumeName, was_open: bool, json: bool) {
    let name = name.as_str();
    if json {
        let word = if was_open { "closed" } else { "not-open" };
        result(&format!("{}\n", json!({"result": word, "volume": name})));
    }
    if was_open {
        log::info!(MESSAGE_ID = message_id::DETACHED, BEK_VOLUME = name; "{name} closed");
    } else {
        log::info!(BEK_VOLUME = name; "{name} is not open");
    }
}

/// Reports what `decode` found, not a byte of it; `mode` is that of the file it is in now, where
/// others can read it.
pub fn decoded(what: &str, key: &Key, origin: &Origin, mode: Option<u32>) {
    log::info!("{what}: {origin}");
    log::info!("{key}");
    if let Some(mode) = mode {
        log::warn!("others can read the file with the key (mode {mode:04o})");
    }
}

/// Asks the person at the terminal, who answers on the same line.
pub fn question(text: &str) {
    progress::clear();
    let mut err = io::stderr().lock();
    if write!(err, "{}{text}", logger::NAME).and_then(|()| err.flush()).is_err() {
        log::debug!("stderr is closed");
    }
}

/// Writes a result to stdout; a reader that went away is no error of ours.
pub fn result(text: &str) {
    progress::clear();
    let mut out = io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        log::debug!("stdout is closed");
    }
}

/// A failure as the object `--json` prints.
pub fn failure_json(error: &Error) -> Value {
    let (volume, device) = names(error);
    let causes = std::iter::once(&error.kind).chain(&error.others);
    json!({
        "result": "failed",
        "volume": volume,
        "device": device,
        "error": error.kind.name(),
        "exit_status": error.kind.exit_status(),
        "causes": causes
            .map(|kind| json!({"error": kind.name(), "text": kind.to_string()}))
            .collect::<Vec<_>>(),
        "hints": hint::for_error(error),
    })
}

/// An opened volume as the object `--json` prints.
pub fn opened_json(volume: &Volume, outcome: &Outcome, elapsed: Duration) -> Value {
    match outcome {
        Outcome::AlreadyOpen { device } => json!({
            "result": "already-open",
            "volume": volume.name.as_str(),
            "device": device,
        }),
        Outcome::NewResourceDisk { device } => json!({
            "result": "new-resource-disk",
            "volume": volume.name.as_str(),
            "device": device,
        }),
        Outcome::Opened(opened) => json!({
            "result": "unlocked",
            "volume": volume.name.as_str(),
            "device": opened.device,
            "type": opened.header.format.as_str(),
            "uuid": opened.header.uuid,
            "keyslot": opened.keyslot,
            "header": opened.detached.as_ref().map(|(spec, _)| spec.to_string()),
            "header_why": opened.detached.as_ref().map(|(_, why)| why.as_str()),
            "source": opened.source.as_str(),
            "origin": opened.origin,
            "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        }),
    }
}

fn names(error: &Error) -> (String, String) {
    let volume = error.volume.as_ref().map(ToString::to_string).unwrap_or_default();
    let device = error.device.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    (volume, device)
}

fn phrase(source: SourceName) -> &'static str {
    match source {
        SourceName::KeyDisk => "the key disk",
        SourceName::File => "a key file",
        SourceName::Token => "the LUKS2 token",
        SourceName::KeyVault => "Key Vault",
        SourceName::Prompt => "a typed passphrase",
    }
}
