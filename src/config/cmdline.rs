//! The kernel command line, as far as it speaks of volumes: bektab(5)'s fields as `rd.bek.*`.
//!
//! It is obeyed in an initramfs only, where it is what the administrator can still change before
//! the machine boots. So it goes before what was built into the image, and a mistake in it refuses
//! the volume it is about: falling back to the image would open what somebody meant to replace.

mod words;

use self::words::Parameter;
use super::line::{Fault, Line, quoted};
use super::{Configuration, Origin};

/// What `content`, the kernel command line, makes of the image's `bektab`.
pub(super) fn onto(bektab: Configuration, content: &[u8]) -> Configuration {
    let text = String::from_utf8_lossy(content);
    let text = text.trim_end_matches('\n');
    let line = Line { file: Origin::CommandLine.path(), number: 1, text };
    let mut all = Configuration::default();
    for parameter in words::parameters(text) {
        if parameter.name.raw == "rd.bek" {
            match switch(&parameter) {
                Ok(on) => all.off = !on,
                Err(fault) => all.problems.push(line.blame(fault)),
            }
        }
    }
    all.entries.extend(bektab.entries);
    all.problems.extend(bektab.problems);
    all
}

/// A parameter that switches something on, or off with `=0`; the words are systemd's, of which
/// dracut knows a part.
fn switch(parameter: &Parameter<'_>) -> Result<bool, Fault> {
    match parameter.value.map(|value| value.raw.to_ascii_lowercase()).as_deref() {
        None | Some("1" | "yes" | "y" | "true" | "t" | "on") => Ok(true),
        Some("0" | "no" | "n" | "false" | "f" | "off") => Ok(false),
        Some(other) => {
            let name = parameter.name.raw;
            Err(parameter.word.fault(format!("{name} is 0 or 1, not {}", quoted(other))))
        }
    }
}
