//! `bek-unlock adopt`: ADE's lines to bektab, with everything that is changed kept and said.
//!
//! The plan is made and shown by one half, and carried out by the other, in an order in which every
//! volume has a line at every moment: bektab first, then crypttab. What was interrupted is finished
//! by the next run, which finds the volumes in bektab already.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::adopt::{self, Plan, Texts};
use crate::config::{self, Origin};
use crate::edge::host::System;
use crate::edge::rewrite::Rewrite;
use crate::error::{Error, Goal, Kind};
use crate::initramfs::{Host as _, Tool};

use words::Done;

mod words;

/// Where the programs are that build an initramfs.
pub const TOOLS: [(&str, Tool); 3] = [
    ("usr/sbin/update-initramfs", Tool::InitramfsTools),
    ("usr/bin/dracut", Tool::Dracut),
    ("usr/sbin/dracut", Tool::Dracut),
];

/// Takes over the lines below `root`, or with `dry_run` does not. `say` gets the plan before anything
/// is changed, and the outcome; with `json` one object.
///
/// Errors: `ConfigurationUnreadable`, `NotWritten`.
pub fn run(root: &Path, dry_run: bool, json: bool, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let fail = |kind: Kind| Error::new(Goal::Adopt, kind);
    if config::in_initramfs(root) {
        let text = "adopt is for the booted system, not for its initramfs";
        return Err(fail(Kind::Usage(text.to_owned())));
    }
    let texts = Texts::read(root).map_err(fail)?;
    let below_root: BTreeSet<String> =
        System::new(root, None).root_stack().mappings.into_iter().collect();
    let plan = adopt::plan(&texts, &below_root).map_err(fail)?;
    for warning in &plan.warnings {
        log::warn!("{warning}");
    }
    if !json {
        say(&words::plan(&plan));
    }
    let done = match dry_run {
        true => None,
        false => Some(carry_out(root, &texts, &plan, &mut || ()).map_err(fail)?),
    };
    let tool = TOOLS.iter().find(|(path, _)| root.join(path).exists()).map(|(_, tool)| *tool);
    match json {
        true => say(&format!("{}\n", words::json(&plan, done.as_ref(), tool))),
        false => say(&words::outcome(&plan, done.as_ref(), tool)),
    }
    Ok(())
}

/// Writes what is planned; `after_each` step somebody may look at what is there.
fn carry_out(
    root: &Path,
    texts: &Texts,
    plan: &Plan,
    after_each: &mut dyn FnMut(),
) -> Result<Vec<Done>, Kind> {
    let files = [
        (Origin::Bektab, &texts.bektab, &plan.bektab),
        (Origin::Crypttab, &texts.crypttab, &plan.crypttab),
    ];
    let mut rewrites = Vec::new();
    for (origin, old, new) in files {
        // What cannot be changed is found out before anything is.
        if let Some(new) = new {
            rewrites.push((origin, Rewrite::prepare(root, origin.path(), old.as_deref())?, new));
        }
    }
    let mut done = Vec::new();
    for (origin, rewrite, new) in rewrites {
        let file = origin.path();
        let backup = rewrite.back_up()?;
        after_each();
        rewrite.write(new)?;
        log::info!("{} changed{}", file.display(), kept(backup.as_ref()));
        done.push(Done { file, backup });
        after_each();
    }
    Ok(done)
}

fn kept(backup: Option<&PathBuf>) -> String {
    backup.map_or_else(String::new, |path| format!("; as it was: {}", path.display()))
}

#[cfg(test)]
mod tests;
