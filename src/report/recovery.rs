//! What `recover` says: the plan before anything is opened, and what came of it.
//!
//! The plan goes to stderr line by line. The result goes to stdout: commands that can be pasted,
//! without the program's name before them, or one JSON object.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::{opened_json, result};
use crate::error::seconds;
use crate::unlock::{Opened, Outcome};
use crate::volume::Volume;

/// What will be done, in words.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What was found on the disk and is opened.
    pub disk: String,
    /// The key sources in their order.
    pub sources: Vec<String>,
    /// How to sign in, where a source may need to.
    pub sign_in: Option<String>,
    /// Whether the disk may be written to.
    pub read_write: bool,
    /// Whether nothing is opened.
    pub dry_run: bool,
    /// Where the key goes.
    pub save_key: Option<PathBuf>,
}

/// Says what will be done.
pub fn plan(volume: &Volume, plan: &Plan) {
    for line in plan_lines(volume, plan) {
        log::info!("plan: {line}");
    }
}

fn plan_lines(volume: &Volume, plan: &Plan) -> Vec<String> {
    let mut lines = vec![plan.disk.clone()];
    lines.extend(plan.sources.iter().enumerate().map(|(index, source)| match index {
        0 => format!("key from {source}"),
        _ => format!("else from {source}"),
    }));
    lines.extend(
        plan.sign_in.iter().map(|way| format!("Azure, if it has to be asked, is asked as: {way}")),
    );
    let mapped = volume.name.mapped_path();
    lines.push(match (plan.dry_run, plan.read_write) {
        (true, _) => "the key is tried, nothing is opened (--dry-run)".to_owned(),
        (false, false) => format!("open it read-only as {}", mapped.display()),
        (false, true) => format!("open it for writing as {}", mapped.display()),
    });
    lines.extend(plan.save_key.iter().map(|path| format!("save the key in {}", path.display())));
    lines
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// What was named: a device or an image file.
    pub disk: &'a Path,
    /// What of it was opened, in words.
    pub how: &'a str,
    /// With which key.
    pub opened: &'a Opened,
    /// How long it took.
    pub elapsed: Duration,
}

/// What is open now.
#[derive(Clone, Debug)]
pub struct Recovered<'a> {
    /// How.
    pub found: Found<'a>,
    /// What it holds, in libblkid's word.
    pub content: Option<String>,
    /// What to do next, as lines.
    pub next: Vec<String>,
    /// The file with the key.
    pub saved: Option<&'a Path>,
}

/// Says that the volume is open, which key did it, and what to do next.
pub fn recovered(volume: &Volume, recovered: &Recovered<'_>, json: bool) {
    super::on_the_way(&volume.name, recovered.found.opened);
    let text = match json {
        true => recovered_json(volume, recovered).to_string(),
        false => recovered_lines(volume, recovered).join("\n"),
    };
    result(&format!("{text}\n"));
}

fn recovered_lines(volume: &Volume, recovered: &Recovered<'_>) -> Vec<String> {
    let found = &recovered.found;
    let mapped = volume.name.mapped_path();
    let access = if volume.options.read_only { "read-only" } else { "for writing" };
    let content = recovered.content.as_deref().unwrap_or("nothing known");
    let mut lines = vec![
        format!("{} is open {access} ({})", mapped.display(), seconds(found.elapsed)),
        format!("disk: {}", found.how),
        format!("key: {}", found.opened.origin),
        format!("content: {content}"),
    ];
    lines.extend(recovered.saved.map(|path| format!("the key is in: {}", path.display())));
    lines.push(String::new());
    lines.extend(recovered.next.iter().cloned());
    lines
}

fn recovered_json(volume: &Volume, recovered: &Recovered<'_>) -> Value {
    let more = json!({
        "result": "recovered",
        "mapped": volume.name.mapped_path(),
        "read_only": volume.options.read_only,
        "content": recovered.content,
        "saved_key": recovered.saved,
        "next": recovered.next,
    });
    found_json(volume, &recovered.found, more)
}

/// Says which key fits, of a run that opens nothing.
pub fn key_fits(volume: &Volume, found: &Found<'_>, json: bool) {
    super::on_the_way(&volume.name, found.opened);
    let text = match json {
        true => found_json(volume, found, json!({"result": "key-fits"})).to_string(),
        false => format!(
            "the key fits, nothing was opened ({})\ndisk: {}\nkey: {}",
            seconds(found.elapsed),
            found.how,
            found.opened.origin
        ),
    };
    result(&format!("{text}\n"));
}

/// The object of an unlock, with the fields of a recovery and those of `more`.
fn found_json(volume: &Volume, found: &Found<'_>, more: Value) -> Value {
    let outcome = Outcome::Opened(Box::new(found.opened.clone()));
    let mut value = opened_json(volume, &outcome, found.elapsed);
    if let (Some(object), Value::Object(more)) = (value.as_object_mut(), more) {
        object.insert("disk".to_owned(), json!(found.disk));
        object.insert("what".to_owned(), json!(found.how));
        object.extend(more);
    }
    value
}

/// Says where the key is now; `mode` is that of a file that others can read.
pub fn key_saved(path: &Path, mode: Option<u32>) {
    log::warn!("the key is in {}; whoever reads it opens the disk", path.display());
    if let Some(mode) = mode {
        log::warn!("others can read the file with the key (mode {mode:04o})");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SourceName;
    use crate::mapping::{Format, Header};
    use crate::volume::{DeviceSpec, KeySpec, Options, VolumeName};

    fn volume(read_only: bool) -> Volume {
        Volume {
            name: VolumeName::parse("sdc2-recovered").unwrap(),
            device: DeviceSpec::Path("/dev/sdc2".into()),
            key: KeySpec::Find,
            options: Options { read_only, ..Options::default() },
        }
    }

    fn opened() -> Opened {
        Opened {
            device: "/dev/sdc2".into(),
            header: Header {
                format: Format::Luks2,
                uuid: "5f1e".to_owned(),
                detached: false,
                keyslots: Vec::new(),
            },
            detached: None,
            keyslot: 1,
            source: SourceName::File,
            origin: "file /root/a.json: text, no layer removed".to_owned(),
            trimmed: false,
            passed_over: Vec::new(),
        }
    }

    #[test]
    fn the_plan_names_disk_keys_and_name_in_their_order() {
        let mut plan = Plan {
            disk: "LUKS on /dev/sdc2".to_owned(),
            sources: vec!["a.json, as it is".to_owned(), "the LUKS2 token".to_owned()],
            sign_in: Some("az".to_owned()),
            read_write: false,
            dry_run: false,
            save_key: Some("/root/key".into()),
        };
        let lines = plan_lines(&volume(true), &plan);
        let expected = [
            "LUKS on /dev/sdc2",
            "key from a.json, as it is",
            "else from the LUKS2 token",
            "Azure, if it has to be asked, is asked as: az",
            "open it read-only as /dev/mapper/sdc2-recovered",
            "save the key in /root/key",
        ];
        assert_eq!(lines, expected);
        (plan.read_write, plan.save_key, plan.sign_in) = (true, None, None);
        let last = plan_lines(&volume(false), &plan).pop();
        let words = "open it for writing as /dev/mapper/sdc2-recovered";
        assert_eq!(last.as_deref(), Some(words));
        plan.dry_run = true;
        let last = plan_lines(&volume(false), &plan).pop().unwrap();
        assert!(last.contains("nothing is opened"), "{last}");
    }

    #[test]
    fn the_result_can_be_read_by_people_and_by_programs() {
        let opened = opened();
        let recovered = Recovered {
            found: Found {
                disk: Path::new("/dev/sdc"),
                how: "LUKS on /dev/sdc2",
                opened: &opened,
                elapsed: Duration::from_millis(1500),
            },
            content: Some("ext4".to_owned()),
            next: vec!["mount -o ro,noload /dev/mapper/sdc2-recovered /mnt".to_owned()],
            saved: Some(Path::new("/root/key")),
        };
        let expected = [
            "/dev/mapper/sdc2-recovered is open read-only (1.5 s)",
            "disk: LUKS on /dev/sdc2",
            "key: file /root/a.json: text, no layer removed",
            "content: ext4",
            "the key is in: /root/key",
            "",
            "mount -o ro,noload /dev/mapper/sdc2-recovered /mnt",
        ];
        assert_eq!(recovered_lines(&volume(true), &recovered), expected);
        let value = recovered_json(&volume(true), &recovered);
        for (field, expected) in [
            ("result", json!("recovered")),
            ("disk", json!("/dev/sdc")),
            ("device", json!("/dev/sdc2")),
            ("what", json!("LUKS on /dev/sdc2")),
            ("volume", json!("sdc2-recovered")),
            ("mapped", json!("/dev/mapper/sdc2-recovered")),
            ("type", json!("LUKS2")),
            ("read_only", json!(true)),
            ("content", json!("ext4")),
            ("saved_key", json!("/root/key")),
            ("next", json!(recovered.next)),
            ("elapsed_ms", json!(1500)),
        ] {
            assert_eq!(value[field], expected, "{field}");
        }
    }
}
