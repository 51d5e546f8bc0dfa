//! A [`Volume`] as a line of bektab(5): the way back from the parser.
//!
//! The bektab of an initramfs is written by a program, from whatever file a volume came from. A
//! line that would be read as something else is never written: each is parsed again and compared.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::ade::KEY_DISK_MOUNT;
use super::bektab;
use super::line::Line;
use crate::volume::{Content, Encryption, HeaderPolicy, KeySpec, Limit, Options, Volume};

/// Why a volume cannot be a line of bektab(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritable(String);

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The line, without newline: four fields with one blank between them, options that have their
/// default left out.
pub fn line(volume: &Volume) -> Result<String, Unwritable> {
    let refuse = |reason: &str| {
        Unwritable(format!("{} cannot be written as a line of bektab: {reason}", volume.name))
    };
    let text = fields(volume).ok_or_else(|| refuse("a path is not UTF-8 text"))?;
    match bektab::parse(&Line { file: Path::new("bektab"), number: 1, text: &text }) {
        Ok(Some(read)) if read == *volume => Ok(text),
        Ok(_) => Err(refuse("it would be read as another volume")),
        Err(problem) => Err(refuse(&problem.to_string())),
    }
}

/// The four fields; `None` where a path is not text.
fn fields(volume: &Volume) -> Option<String> {
    let name = escaped(volume.name.as_str());
    // A line that begins with it is a comment.
    let name = match name.strip_prefix('#') {
        Some(rest) => format!("\\043{rest}"),
        None => name,
    };
    let device = escaped(&volume.device.to_string());
    let key = match &volume.key {
        KeySpec::Find => "-".to_owned(),
        KeySpec::KeyFile(file) => match file.as_str() {
            word @ ("-" | "none") => format!("{KEY_DISK_MOUNT}/{word}"),
            name => escaped(name),
        },
        KeySpec::Path(path) => escaped(path.to_str()?),
        KeySpec::Secret(secret) => secret.to_string(),
    };
    Some(format!("{name} {device} {key} {}", options(&volume.options)?))
}

/// The fourth field; `-` without options.
fn options(options: &Options) -> Option<String> {
    // Every field by name: a new option does not compile until it is written here, too.
    let Options {
        ca,
        content,
        device_timeout,
        discard,
        encryption,
        header,
        header_policy,
        identity,
        initrd,
        kek,
        kek_algorithm,
        key_only,
        key_slot,
        machine_name,
        netdev,
        noauto,
        nofail,
        no_read_workqueue,
        no_write_workqueue,
        prompt,
        read_only,
        same_cpu_crypt,
        submit_from_crypt_cpus,
        timeout,
        vault,
        vault_suffixes,
    } = options;
    let is = |wanted| *encryption == Some(wanted);
    let mut list: Vec<String> = Vec::new();
    for (name, set) in [
        ("_netdev", netdev),
        ("bitlk", &is(Encryption::Bitlk)),
        ("discard", discard),
        ("key-only", key_only),
        ("luks", &is(Encryption::Luks)),
        ("no-read-workqueue", no_read_workqueue),
        ("no-write-workqueue", no_write_workqueue),
        ("noauto", noauto),
        ("nofail", nofail),
        ("prompt", prompt),
        ("read-only", read_only),
        ("same-cpu-crypt", same_cpu_crypt),
        ("submit-from-crypt-cpus", submit_from_crypt_cpus),
        ("x-initrd.attach", initrd),
    ] {
        if *set {
            list.push(name.to_owned());
        }
    }
    let mut put = |name: &str, value: &str| {
        // A comma would end the option.
        list.push(format!("{name}={}", escaped(value).replace(',', "\\054")));
    };
    if let Some(path) = ca {
        put("ca", path.to_str()?);
    }
    if *content == Content::Any {
        put("content", "any");
    }
    if let Some(header) = header {
        header.path().to_str()?;
        put("header", &header.to_string());
    }
    if *header_policy == HeaderPolicy::Strict {
        put("header-policy", "strict");
    }
    if let Some(identity) = identity {
        put("identity", &identity.to_string());
    }
    if let Some(key) = kek {
        put("kek", &key.to_string());
    }
    if let Some(algorithm) = kek_algorithm {
        put("kek-algorithm", algorithm.as_str());
    }
    if let Some(slot) = key_slot {
        put("key-slot", &slot.to_string());
    }
    if let Some(name) = machine_name {
        put("machine-name", name);
    }
    if *timeout != Options::default().timeout {
        put("timeout", &span(*timeout));
    }
    if let Some(vault) = vault {
        put("vault", &vault.to_string());
    }
    for suffix in vault_suffixes {
        put("vault-suffix", suffix.as_str());
    }
    if let Some(limit) = device_timeout {
        put("x-systemd.device-timeout", &span(*limit));
    }
    Some(if list.is_empty() { "-".to_owned() } else { list.join(",") })
}

/// A limit as systemd.time(7) writes it: seconds where they are whole.
fn span(limit: Limit) -> String {
    match limit.0 {
        None => "0".to_owned(),
        Some(time) if time == Duration::from_secs(time.as_secs()) => format!("{}s", time.as_secs()),
        Some(time) => format!("{}us", time.as_micros()),
    }
}

/// `\NNN` for blanks, and for a backslash that the parser would take for the start of that.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let digits = text.get(at + 1..at + 4).unwrap_or_default();
        match c {
            ' ' => escaped.push_str("\\040"),
            '\\' if digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                escaped.push_str("\\134");
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
