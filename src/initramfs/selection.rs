//! Which volumes the initramfs opens.
//!
//! Those that say so (`x-initrd.attach`), and those without which there is no root. ADE's lines
//! never say so: its own scripts in the image knew.
//!
//! A line with `key-only` leaves its volume to crypttab(5), in the image, too. But nothing there
//! listens for systemd's question, so beside `x-initrd.attach` the word means the booted system
//! alone, and the image opens the volume itself.

use super::Warning;
use super::host::{Host, Stack};
use crate::config::keyscript::Listed;
use crate::config::{Configuration, Entry, Origin};
use crate::error::Kind;
use crate::volume::Volume;

/// ADE's name for the mapping of the OS disk.
const OS_MAPPER: &str = "osencrypt";

/// The volumes of the image, and what is to be said about the others.
pub(super) struct Selection {
    /// In the order in which they are configured.
    pub entries: Vec<Entry>,
    /// For [`Plan::warnings`](super::Plan::warnings).
    pub warnings: Vec<Warning>,
}

/// Chooses among the lines of `configuration`; cryptsetup-initramfs asks our keyscript for the keys
/// of `keyscripts`.
pub(super) fn select(
    configuration: &Configuration,
    keyscripts: &[Listed],
    host: &dyn Host,
) -> Selection {
    let stack = host.root_stack();
    let mut entries: Vec<Entry> = Vec::new();
    let mut warnings = Vec::new();
    for entry in &configuration.entries {
        let volume = &entry.volume;
        let is_first = configuration.find(&volume.name).is_ok_and(|first| first == entry);
        if !is_first || !belongs(entry, &stack) {
            continue;
        }
        if volume.options.key_only && !volume.options.initrd {
            if keyscripts.iter().all(|line| line.name != volume.name.as_str()) {
                warnings.push(Warning { text: unanswered(entry), closed: true });
            }
            continue;
        }
        if !volume.options.initrd && entry.origin == Origin::Bektab {
            let text = format!(
                "{}: the root stands on it; taken in, but write x-initrd.attach on line {} of {}",
                volume.name,
                entry.line,
                entry.file.display()
            );
            warnings.push(Warning { text, closed: false });
        }
        // The root runs on it, so its device is there, under whatever name.
        if is_below_root(volume, &stack) && !host.device(&volume.device) {
            let text = format!(
                "{}: no device is {} now, so the next boot will not find it; mend line {} of {}, \
                 then: {{rebuild}}",
                volume.name,
                volume.device,
                entry.line,
                entry.file.display()
            );
            warnings.push(Warning { text, closed: true });
        }
        // Whatever is not the root's may wait until somebody asks for it.
        let noauto = volume.options.noauto && !is_below_root(volume, &stack);
        let mut entry = entry.clone();
        entry.volume.options.initrd = true;
        entry.volume.options.key_only = false;
        entry.volume.options.noauto = noauto;
        entries.push(entry);
    }
    for problem in &configuration.problems {
        if let Some(warning) = refused(problem, &stack) {
            warnings.push(warning);
        }
    }
    if entries.is_empty() && !configuration.entries.is_empty() {
        warnings.extend(stack.unknown.iter().map(|device| Warning {
            text: format!(
                "the root is on {device}, which cannot be followed here; if it stands on a volume \
                 of bektab, write x-initrd.attach on its line, then: {{rebuild}}"
            ),
            closed: false,
        }));
    }
    Selection { entries, warnings }
}

/// What `key-only` means for a volume of the root that crypttab opens in the image.
fn unanswered(entry: &Entry) -> String {
    let (name, line, file) = (&entry.volume.name, entry.line, entry.file.display());
    format!(
        "{name}: the root stands on it, and line {line} of {file} says key-only: crypttab opens it \
         in the image, where nobody answers for its key; write x-initrd.attach on that line, \
         then: {{rebuild}}"
    )
}

fn belongs(entry: &Entry, stack: &Stack) -> bool {
    let volume = &entry.volume;
    // Where nobody can say what the root stands on, ADE's name for its disk does.
    let is_os_disk = entry.origin != Origin::Bektab
        && volume.name.as_str() == OS_MAPPER
        && !stack.unknown.is_empty();
    volume.options.initrd || is_below_root(volume, stack) || is_os_disk
}

fn is_below_root(volume: &Volume, stack: &Stack) -> bool {
    stack.mappings.iter().any(|name| name == volume.name.as_str())
}

/// What a line that does not parse means for the image; nothing when it is none of its volumes.
fn refused(problem: &Kind, stack: &Stack) -> Option<Warning> {
    let Kind::Configuration(diagnostic) = problem else {
        let text = format!("{problem}; what it says is not in the image");
        return Some(Warning { text, closed: true });
    };
    let name = diagnostic.text.split_whitespace().next().unwrap_or_default();
    let is_meant = diagnostic.text.contains("x-initrd.attach")
        || name == OS_MAPPER
        || stack.mappings.iter().any(|mapping| mapping == name);
    let text = format!("{problem}; the image will not open it; mend it, then: {{rebuild}}");
    is_meant.then_some(Warning { text, closed: true })
}
