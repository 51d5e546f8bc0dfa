//! `bek-unlock secrets`: the disk secrets of a vault by their tags, never a value.

use std::time::Duration;

use serde_json::{Value, json};

use super::args::secrets::SecretsArgs;
use super::{azure, table};
use crate::azure::Azure;
use crate::azure::date::{date, rfc3339};
use crate::azure::inventory::{self, DiskSecret, Filter};
use crate::deadline::{Deadline, Pauses};
use crate::edge::process::{self, SystemClock};
use crate::edge::sign_in;
use crate::error::{Error, Goal, printable};
use crate::report::progress;

/// How long a sign-in and each page of the list may take; a large vault has hundreds of pages.
const LIMIT: Duration = Duration::from_secs(90);

/// The table, or with `json` one array.
///
/// Errors: `SecretMissing` when no secret is one of a disk that was asked for; those of signing in
/// and of listing.
pub fn run(args: &SecretsArgs, json: bool) -> Result<String, Error> {
    process::keep_secrets();
    let clock = SystemClock::new();
    let pauses = Pauses::default();
    let deadline = Deadline::start(&clock, Some(LIMIT)).pausing(&pauses);
    list(args, &mut azure::client(&args.azure), &deadline, sign_in::now(), json)
}

/// The same through a client that is there; `now` in seconds since 1970.
pub fn list(
    args: &SecretsArgs,
    azure: &mut Azure,
    deadline: &Deadline<'_>,
    now: u64,
    json: bool,
) -> Result<String, Error> {
    let fail = |kind| Error::new(Goal::List, kind);
    let tell = |seen| {
        deadline.renew();
        progress::secrets(seen);
    };
    let listing = azure.disk_secrets_telling(&args.vault, deadline, tell);
    progress::clear();
    let listing = listing.map_err(fail)?;
    let filter = Filter { machine: args.machine_name.as_deref(), file: args.file.as_ref() };
    let found = inventory::disk_secrets(&args.vault, &listing, filter, now).map_err(fail)?;
    if json {
        let values: Vec<Value> = found.iter().map(object).collect();
        return Ok(format!("{}\n", Value::Array(values)));
    }
    Ok(text(&found))
}

fn object(row: &DiskSecret<'_>) -> Value {
    let secret = row.secret;
    // What is no identifier is shown all the same: somebody has to mend it.
    let (kek, known) = match &secret.tags.kek {
        Some(Ok(kek)) => (Some(kek.to_string()), Some(kek)),
        Some(Err(text)) => (Some(text.clone()), None),
        None => (None, None),
    };
    let algorithm = secret.tags.algorithm.as_ref().map(|name| match name {
        Ok(algorithm) => algorithm.as_str(),
        Err(text) => text,
    });
    json!({
        "machine_name": secret.tags.machine,
        "file": row.file.to_string(),
        "slot": row.disk.to_string(),
        "kek": kek,
        "kek_name": known.map(|kek| kek.name().as_str()),
        "kek_version": known.map(|kek| kek.version().as_str()),
        "algorithm": algorithm,
        "wrapped": row.wrapped,
        "state": row.state,
        "created": secret.attributes.created.and_then(rfc3339),
        "not_before": secret.attributes.not_before.and_then(rfc3339),
        "expires": secret.attributes.expires.and_then(rfc3339),
        "content_type": secret.content_type,
        "id": secret.id.to_string(),
    })
}

/// One line a secret where that fits a console; else the secret's name, which is long and the part
/// that is copied, has a line below.
fn text(found: &[DiskSecret<'_>]) -> String {
    let head = ["MACHINE", "DISK", "CREATED", "STATE", "KEY", "KEK", "ALGORITHM", "SECRET"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(found.iter().map(row));
    let whole = table::lines(&rows);
    if whole.iter().all(|line| line.len() <= table::WIDTH) {
        return whole.join("\n") + "\n";
    }
    let names: Vec<String> = rows.iter_mut().map(|[.., name]| std::mem::take(name)).collect();
    let lines = table::lines(&rows).into_iter().zip(names);
    lines.map(|(line, name)| format!("{line}\n    {name}\n")).collect()
}

fn row(row: &DiskSecret<'_>) -> [String; 8] {
    let tags = &row.secret.tags;
    let dash = || "-".to_owned();
    // 24 characters of what others wrote; the dots at their end say that there are more.
    let odd = |text: &String| printable(text, 24);
    [
        tags.machine.clone().unwrap_or_else(dash),
        match row.disk {
            inventory::Disk::Other => row.file.to_string(),
            disk => disk.to_string(),
        },
        row.secret.attributes.created.and_then(date).unwrap_or_else(dash),
        row.state.to_owned(),
        match row.wrapped {
            Some(true) => "wrapped",
            Some(false) => "plain",
            None => "?",
        }
        .to_owned(),
        match &tags.kek {
            // The first digits tell versions apart, as git does it; --json has all.
            Some(Ok(kek)) => format!("{}/{:.8}", kek.name().as_str(), kek.version().as_str()),
            Some(Err(text)) => odd(text),
            None => dash(),
        },
        match &tags.algorithm {
            Some(Ok(algorithm)) => algorithm.as_str().to_owned(),
            Some(Err(text)) => odd(text),
            None => dash(),
        },
        row.secret.id.name().as_str().to_owned(),
    ]
}

#[cfg(test)]
mod tests;
