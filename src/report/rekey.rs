//! What `enroll` and `rotate` say: the plan, each step before it is taken, and what came of it.
//!
//! Plan and steps go to stderr, one line each: whoever watches a serial console knows after a crash
//! how far it came. The result goes to stdout: the line for bektab, or one JSON object.

use std::path::Path;

use serde_json::{Value, json};

use super::result;
use crate::rekey::plan::WrappedKey;
use crate::rekey::{Plan, Step, Store};
use crate::volume::VolumeName;

/// What is done, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Rekeyed<'a> {
    /// The volume.
    pub name: &'a VolumeName,
    /// What was planned.
    pub plan: &'a Plan,
    /// The line of bektab that goes with it, where it is new.
    pub line: Option<&'a str>,
    /// Whether an interrupted run was finished.
    pub resumed: bool,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// Says that a new volume can be made, of a run that makes none.
pub fn could_be_formatted(name: &VolumeName, device: &Path, wrapped: &WrappedKey, json: bool) {
    if json {
        let kek = wrapped.kek.to_string();
        let result = json!({"result": "can-be-formatted", "volume": name.as_str(),
            "device": device, "kek": kek, "algorithm": wrapped.algorithm.as_str()});
        super::result(&format!("{result}\n"));
    }
    log::info!("{name}: a new volume can be made; nothing was changed (--dry-run)");
}

/// Says what will be done.
pub fn plan(name: &VolumeName, plan: &Plan) {
    for line in lines(plan) {
        log::info!("plan for {name}: {line}");
    }
}

fn lines(plan: &Plan) -> Vec<String> {
    let wrapped = &plan.wrapped;
    let (kek, version) = (wrapped.kek.name().as_str(), wrapped.kek.version().as_str());
    let mut lines = vec![format!(
        "keyslot {} of {}, the key wrapped by {kek}/{version} ({})",
        plan.keyslot,
        plan.device.display(),
        wrapped.algorithm.as_str()
    )];
    lines.extend(plan.stores.iter().map(|store| format!("stored in: {store}")));
    lines.extend(plan.line.iter().map(|line| format!("line of /etc/bektab: {}", line.text)));
    lines.extend(plan.old_keyslot.map(|slot| format!("then keyslot {slot} is removed")));
    lines.extend(plan.old_file.iter().map(|path| format!("then {} is removed", path.display())));
    lines
}

/// Says what is done next.
pub fn step(name: &VolumeName, step: &Step) {
    log::info!("{name}: {step}");
}

/// Says that an earlier run is finished first.
pub fn resumes() {
    log::warn!("an earlier run was interrupted; finishing it");
}

/// Says that the initramfs opens the volume by its old line and key, which therefore stay.
pub fn image_is_old(plan: &Plan) {
    log::warn!(
        "the initramfs has its old line: build it anew (update-initramfs -u, or dracut --force) and \
         restart; the old keyslot stays until then: cryptsetup luksKillSlot {}",
        plan.device.display()
    );
}

/// Says how to be rid of a run that cannot be finished.
pub fn can_be_given_up(note: &Path) {
    log::warn!(
        "to give up the earlier run remove {}; first let bek-unlock check say which keyslots still \
         open by the volume's own sources: those stay",
        note.display()
    );
}

/// Says that a volume is left alone, of several.
pub fn left_alone(name: &VolumeName, why: &str) {
    log::info!("{name} is left as it is: {why}");
}

/// Says what came of it.
pub fn done(rekeyed: &Rekeyed<'_>, json: bool) {
    if json {
        result(&format!("{}\n", object(rekeyed)));
        return;
    }
    let Rekeyed { name, plan, line, dry_run, .. } = rekeyed;
    match dry_run {
        true => log::info!("{name}: all of that can be done; nothing was changed (--dry-run)"),
        false => log::info!("{name}: has a new key in keyslot {}", plan.keyslot),
    }
    match line {
        Some(line) if plan.line.is_none() => {
            log::info!("the line for /etc/bektab:");
            result(&format!("{line}\n"));
        }
        _ => {}
    }
}

fn object(rekeyed: &Rekeyed<'_>) -> Value {
    let Rekeyed { name, plan, line, resumed, dry_run } = rekeyed;
    json!({
        "result": if *dry_run { "can-be-rekeyed" } else { "rekeyed" },
        "volume": name.as_str(),
        "device": plan.device,
        "uuid": plan.uuid,
        "keyslot": plan.keyslot,
        "old_keyslot": plan.old_keyslot,
        "kek": plan.wrapped.kek.to_string(),
        "algorithm": plan.wrapped.algorithm.as_str(),
        "stores": plan.stores.iter().map(store).collect::<Vec<_>>(),
        "line": line,
        "line_written": plan.line.is_some() && !dry_run,
        "resumed": resumed,
    })
}

fn store(store: &Store) -> Value {
    match store {
        Store::File(path) => json!({"file": path}),
        Store::Secret { id, .. } => json!({"secret": id.to_string()}),
        Store::Token { .. } => json!({"token": true}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rekey::fake::plan;

    #[test]
    fn the_plan_is_told_before_anything_is_done() {
        let lines = lines(&plan());
        assert_eq!(
            lines,
            [
                "keyslot 1 of /dev/sdc, the key wrapped by kek/2 (RSA-OAEP)",
                "stored in: key vault contoso-kv: secret bek-1",
                "stored in: LUKS2 token",
                "stored in: file /etc/bek-unlock/data1.wrapped",
                "line of /etc/bektab: data1 UUID=5f1e - -",
                "then keyslot 0 is removed",
                "then /etc/bek-unlock/old.wrapped is removed",
            ]
        );
    }

    #[test]
    fn the_result_can_be_read_by_programs() {
        let (name, plan) = (VolumeName::parse("data1").unwrap(), plan());
        let line = Some("data1 UUID=5f1e - -");
        let rekeyed = Rekeyed { name: &name, plan: &plan, line, resumed: true, dry_run: false };
        let value = object(&rekeyed);
        for (field, expected) in [
            ("result", json!("rekeyed")),
            ("volume", json!("data1")),
            ("device", json!("/dev/sdc")),
            ("keyslot", json!(1)),
            ("old_keyslot", json!(0)),
            ("kek", json!("https://contoso-kv.vault.azure.net/keys/kek/2")),
            ("algorithm", json!("RSA-OAEP")),
            ("line_written", json!(true)),
            ("resumed", json!(true)),
        ] {
            assert_eq!(value[field], expected, "{field}");
        }
        assert_eq!(value["stores"].as_array().unwrap().len(), 3);
        let dry = object(&Rekeyed { dry_run: true, ..rekeyed });
        assert_eq!(
            (&dry["result"], &dry["line_written"]),
            (&json!("can-be-rekeyed"), &json!(false))
        );
    }
}
