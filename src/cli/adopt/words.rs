//! What `adopt` says: the plan, what to do next, and the way back.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::config::Origin;
use crate::config::adopt::{Action, KeyDiskMount, Plan, Step};
use crate::initramfs::Tool;

/// A file that was changed.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    /// Which one.
    pub file: &'static Path,
    /// As it was; `None` where there was none.
    pub backup: Option<PathBuf>,
}

/// The plan, line by line.
pub fn plan(plan: &Plan) -> String {
    let mut text: String = plan.steps.iter().map(step).collect();
    for mount in &plan.mounts {
        text.push_str(&explained(mount, !plan.warnings.is_empty()));
    }
    text
}

fn step(step: &Step) -> String {
    let place = place(step);
    let Step { name, old, .. } = step;
    let mut text = match &step.action {
        Action::Move(new) => {
            format!("{place}: {name} moves to /etc/bektab\n    - {old}\n    + {new}\n")
        }
        Action::Copy(new) => format!(
            "{place}: {name} is added to /etc/bektab; ADE's agent keeps its own line\n    + {new}\n"
        ),
        Action::Remove(line) => {
            let by = line.map_or_else(String::new, |line| format!(", line {line}"));
            format!("{place}: {name} is in /etc/bektab already{by}\n    - {old}\n")
        }
    };
    if !step.left_out.is_empty() {
        text.push_str(&format!("    not in bektab: {}\n", step.left_out.join(",")));
    }
    text
}

fn place(step: &Step) -> String {
    format!("{}:{}", step.origin.path().display(), step.line)
}

/// The line that mounts the key disk, and who needs it: the lines that stay.
fn explained(mount: &KeyDiskMount, some_stay: bool) -> String {
    let readable = match mount.private {
        true => "",
        false => "    every user can read the keys there; umask=077 in its options prevents that\n",
    };
    let not_needed = match some_stay {
        true => "    bek-unlock does not need it; lines that stay in /etc/crypttab may\n",
        false => {
            "    bek-unlock does not need it; without it: umount /mnt/azure_bek_disk, remove\n    \
             the line, systemctl daemon-reload\n"
        }
    };
    let line = mount.line;
    format!(
        "/etc/fstab:{line}: mounts the key disk; it does no harm and is left as it is\n\
         {readable}{not_needed}"
    )
}

/// What was done, or that nothing was, and what comes next.
pub fn outcome(plan: &Plan, done: Option<&Vec<Done>>, tool: Option<Tool>) -> String {
    let done = match done {
        _ if plan.steps.is_empty() && plan.warnings.is_empty() => {
            return "no line of Azure Disk Encryption is left to be taken over\n".to_owned();
        }
        _ if plan.steps.is_empty() => return "nothing was changed\n".to_owned(),
        None => return "nothing was changed: --dry-run\n".to_owned(),
        Some(done) => done,
    };
    let list = |title: &str, commands: Vec<String>| {
        let lines: String = commands.iter().map(|command| format!("    {command}\n")).collect();
        format!("{title}\n{lines}")
    };
    let mut text = list("next:", next(plan, tool));
    text.push_str("the volumes stay as they are now; the next boot opens them by bektab\n");
    text.push_str(&list("to undo it:", undo(plan, done, tool)));
    text
}

/// What makes the next boot use the lines.
fn next(plan: &Plan, tool: Option<Tool>) -> Vec<String> {
    let mut commands = vec!["systemctl daemon-reload".to_owned()];
    if plan.root {
        commands.push(rebuild(tool));
    }
    commands
}

fn rebuild(tool: Option<Tool>) -> String {
    let command = tool.map_or("dracut --force, or update-initramfs -u", Tool::rebuild);
    format!("{command}    # the root disk's line changed: read its warnings before a reboot")
}

/// The way back, crypttab first: so every volume has a line all the time.
fn undo(plan: &Plan, done: &[Done], tool: Option<Tool>) -> Vec<String> {
    let mut commands: Vec<String> = done.iter().rev().map(put_back).collect();
    let is_changed = |origin: Origin| done.iter().any(|done| done.file == origin.path());
    if is_changed(Origin::Crypttab) && !is_changed(Origin::Bektab) {
        let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
        let names = names.join(" ");
        commands.push(format!("# and take out of /etc/bektab the lines of: {names}"));
    }
    commands.extend(next(plan, tool));
    commands
}

fn put_back(done: &Done) -> String {
    let file = done.file.display();
    match &done.backup {
        Some(backup) => format!("mv {} {file}", backup.display()),
        None => format!("rm {file}"),
    }
}

/// All of it as the object `--json` prints.
pub fn json(plan: &Plan, done: Option<&Vec<Done>>, tool: Option<Tool>) -> Value {
    let step = |step: &Step| {
        let (action, new) = match &step.action {
            Action::Move(line) => ("move", Some(line)),
            Action::Copy(line) => ("copy", Some(line)),
            Action::Remove(_) => ("remove", None),
        };
        json!({
            "volume": step.name.as_str(),
            "action": action,
            "file": step.origin.path(),
            "line": step.line,
            "old": step.old,
            "new": new,
            "left_out": step.left_out,
        })
    };
    let mount = |mount: &KeyDiskMount| json!({"line": mount.line, "private": mount.private});
    let changed = done.filter(|_| !plan.steps.is_empty());
    let result = match (plan.steps.is_empty(), done) {
        (true, _) => "nothing-to-adopt",
        (false, None) => "planned",
        (false, Some(_)) => "adopted",
    };
    let file = |done: &Done| json!({"file": done.file, "backup": done.backup});
    json!({
        "result": result,
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "warnings": plan.warnings,
        "fstab": plan.mounts.iter().map(mount).collect::<Vec<_>>(),
        "changed": done.map_or_else(Vec::new, |done| done.iter().map(file).collect()),
        "next": changed.map_or_else(Vec::new, |_| next(plan, tool)),
        "undo": changed.map_or_else(Vec::new, |done| undo(plan, done, tool)),
    })
}
