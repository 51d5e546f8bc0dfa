//! The kernel command line, as far as it speaks of volumes: bektab(5)'s fields as `rd.bek.*`, and
//! what Azure Disk Encryption's initramfs understands.
//!
//! It is obeyed in an initramfs only, where it is what the administrator can still change before
//! the machine boots. So it goes before what was built into the image, and a mistake in it refuses
//! the volume it is about: falling back to the image would open what somebody meant to replace.

mod ade;
mod given;
mod merge;
mod words;

use self::ade::Ade;
use self::given::Fields;
use self::words::Parameter;
use super::line::{Fault, Line, Word, quoted};
use super::{Configuration, Entry, Origin};
use crate::error::{Kind, printable};
use crate::volume::VolumeName;

/// A mistake, and the volume that is not opened because of it, where it names one.
struct Refusal {
    name: Option<VolumeName>,
    fault: Fault,
}

/// What `content`, the kernel command line, makes of the image's `bektab`.
pub(super) fn onto(bektab: Configuration, content: &[u8]) -> Configuration {
    // Somebody else's parameter may be in any encoding.
    let text = String::from_utf8_lossy(content);
    let text = text.trim_end_matches('\n');
    let line = Line { file: Origin::CommandLine.path(), number: 1, text };
    let parameters = words::parameters(text);

    let mut refusals = Vec::new();
    let on = switch(&parameters, "rd.bek", &mut refusals);
    let ade_on = switch(&parameters, "rd.ade", &mut refusals)
        && !parameters.iter().any(|parameter| parameter.name.raw == "rd_NO_ADE");
    let ade = if ade_on { ade::read(&parameters, &mut refusals) } else { None };
    let ade = ade.filter(|ade| !ade.is_under_another_name(&bektab.entries));
    let given = given::read(&parameters, &mut refusals);

    let mut all = Configuration { off: !on, ..Configuration::default() };
    for name in names(ade.as_ref(), &given) {
        if refusals.iter().any(|refusal| refusal.name.as_ref() == Some(&name)) {
            continue;
        }
        let ade = ade.as_ref().filter(|ade| ade.name == name);
        let fields = given.iter().find(|fields| fields.name == name);
        let base = match bektab.find(&name) {
            Ok(entry) => Some(&entry.volume),
            Err(Kind::NotConfigured { .. }) => None,
            // What this would be added to cannot be read; the file's own problem says so.
            Err(_) => continue,
        };
        match merge::volume(&name, base, ade, fields) {
            Ok(volume) => {
                let file = line.file.to_owned();
                let entry = Entry { volume, origin: Origin::CommandLine, file, line: line.number };
                all.entries.push(entry);
            }
            Err(fault) => refusals.push(Refusal { name: Some(name), fault }),
        }
    }
    refusals.sort_by_key(|refusal| refusal.fault.column);
    for Refusal { name, fault } in refusals {
        let problem = line.blame(fault);
        if let Some(name) = name {
            all.refused.entry(name).or_insert_with(|| problem.clone());
        }
        all.problems.push(problem);
    }
    let replaced: Vec<_> = all.entries.iter().map(|entry| entry.volume.name.clone()).collect();
    let kept = bektab.entries.into_iter().filter(|entry| !replaced.contains(&entry.volume.name));
    all.entries.extend(kept);
    all.problems.extend(bektab.problems);
    all
}

/// The volumes of the command line, ADE's first: it is the root.
fn names(ade: Option<&Ade<'_>>, given: &[Fields<'_>]) -> Vec<VolumeName> {
    let mut names: Vec<_> = ade.iter().map(|ade| ade.name.clone()).collect();
    for fields in given {
        if !names.contains(&fields.name) {
            names.push(fields.name.clone());
        }
    }
    names
}

/// Whether `name` is on: it is, unless a parameter says `=0`. The words for that are systemd's, of
/// which dracut knows a part. The last one of several decides.
fn switch(parameters: &[Parameter<'_>], name: &str, refusals: &mut Vec<Refusal>) -> bool {
    let mut on = true;
    let mut before: Option<(bool, Word<'_>)> = None;
    for Parameter { word, value, .. } in parameters.iter().filter(|p| p.name.raw == name) {
        let text = value.map(|value| value.raw.to_ascii_lowercase());
        let mut refuse = |message: String| {
            refusals.push(Refusal { name: None, fault: word.fault(message) });
        };
        on = match text.as_deref() {
            None | Some("1" | "yes" | "y" | "true" | "t" | "on") => true,
            Some("0" | "no" | "n" | "false" | "f" | "off") => false,
            Some(other) => {
                refuse(format!("{name} is 0 or 1, not {}", quoted(other)));
                continue;
            }
        };
        match before {
            Some((other, place)) if other != on => refuse(otherwise(&place)),
            _ => before = Some((on, *word)),
        }
    }
    on
}

/// The message for a parameter that says something else than the one `before` did.
fn otherwise(before: &Word<'_>) -> String {
    format!("column {} says otherwise: {}", before.column + 1, printable(before.raw, 45))
}

#[cfg(test)]
mod tests;
