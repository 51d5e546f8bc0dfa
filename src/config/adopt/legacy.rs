//! ADE's azure_crypt_mount: copied to bektab, never changed, because its agent works with it.

use super::draft::{Draft, Known};
use super::{Action, Physical, parse};
use crate::config::Origin;

/// Adds the volumes of `content` that nobody else has.
pub(super) fn add(draft: &mut Draft<'_>, crypttab: &[Physical<'_>], content: Option<&[u8]>) {
    let configuration = parse(Origin::AzureCryptMount, content);
    for problem in &configuration.problems {
        draft.plan.warnings.push(format!("{problem}; left as it is"));
    }
    let text = String::from_utf8_lossy(content.unwrap_or_default());
    for entry in &configuration.entries {
        let volume = &entry.volume;
        // What ADE wrote to crypttab later goes before this, and was looked at already.
        let mut names = crypttab.iter().flat_map(|line| &line.parts).map(|part| &part.name);
        if names.any(|name| name == volume.name.as_str()) {
            continue;
        }
        let place = (entry.origin, entry.line);
        let action = match draft.known(volume) {
            Known::By(_) => continue,
            Known::Not => match draft.written(volume) {
                Ok(line) => Action::Copy(line),
                Err(reason) => {
                    draft.leave(place, &volume.name, &reason);
                    continue;
                }
            },
            Known::Otherwise(reason) => {
                draft.leave(place, &volume.name, &reason);
                continue;
            }
        };
        draft.plan.root |= draft.is_root(&volume.name);
        let old = text.lines().nth(entry.line.saturating_sub(1)).unwrap_or_default();
        draft.step(place, volume, old, action, Vec::new());
    }
}
