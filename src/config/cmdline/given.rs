//! bektab(5)'s fields on the kernel command line: `rd.bek.device=NAME=DEVICE` and the like.
//!
//! Only which words there are, whose they are, and that each has something to say; what a field
//! means is merge.rs's business.

use super::words::{Parameter, pair};
use super::{Refusal, otherwise};
use crate::config::fields;
use crate::config::line::{Fault, Word, quoted};
use crate::config::nearest::nearest;
use crate::config::option_table;
use crate::volume::VolumeName;

/// Every parameter with this prefix is ours.
const PREFIX: &str = "rd.bek";

/// The fields of one volume.
pub(super) struct Fields<'a> {
    /// Whose they are.
    pub name: VolumeName,
    /// `rd.bek.device=`, without the name.
    pub device: Option<Word<'a>>,
    /// `rd.bek.key=`.
    pub key: Option<Word<'a>>,
    /// `rd.bek.options=`.
    pub options: Option<Word<'a>>,
    /// The first parameter about it, whole.
    pub first: Word<'a>,
}

impl<'a> Fields<'a> {
    fn new(name: &VolumeName, first: &Parameter<'a>) -> Self {
        let (name, first) = (name.clone(), first.word);
        Self { name, device: None, key: None, options: None, first }
    }
}

/// Reads all of them, volumes in the order in which they are first named.
pub(super) fn read<'a>(
    parameters: &[Parameter<'a>],
    refusals: &mut Vec<Refusal>,
) -> Vec<Fields<'a>> {
    let mut volumes: Vec<Fields<'a>> = Vec::new();
    for parameter in parameters.iter().filter(|parameter| is_ours(parameter.name.raw)) {
        let place: for<'b> fn(&'b mut Fields<'a>) -> &'b mut Option<Word<'a>> =
            match parameter.name.raw {
                PREFIX => continue,
                "rd.bek.device" => |fields| &mut fields.device,
                "rd.bek.key" => |fields| &mut fields.key,
                "rd.bek.options" => |fields| &mut fields.options,
                _ => {
                    refusals.push(Refusal { name: None, fault: unknown(parameter) });
                    continue;
                }
            };
        match named(parameter) {
            Ok((name, word)) => {
                if !volumes.iter().any(|fields| fields.name == name) {
                    volumes.push(Fields::new(&name, parameter));
                }
                let ours = volumes.iter_mut().find(|fields| fields.name == name);
                let Some(fields) = ours else { continue };
                match place(fields) {
                    Some(before) if before.raw != word.raw => {
                        let fault = parameter.word.fault(otherwise(before));
                        refusals.push(Refusal { name: Some(name), fault });
                    }
                    Some(_) => {}
                    empty => *empty = Some(word),
                }
            }
            Err(refusal) => refusals.push(refusal),
        }
    }
    volumes
}

/// `rd.bek` and everything that may be a slip in what follows it.
fn is_ours(name: &str) -> bool {
    name.split_at_checked(PREFIX.len()).is_some_and(|(start, rest)| {
        start.eq_ignore_ascii_case(PREFIX)
            && !rest.starts_with(|next: char| next.is_ascii_alphanumeric())
    })
}

/// Cuts `NAME=VALUE`.
fn named<'a>(parameter: &Parameter<'a>) -> Result<(VolumeName, Word<'a>), Refusal> {
    let field = parameter.name.raw.rsplit('.').next().unwrap_or_default();
    let shape = || format!("NAME={} is needed", field.to_ascii_uppercase());
    let nobody = |fault| Refusal { name: None, fault };
    let given = parameter.value.filter(|value| !value.raw.is_empty());
    let Some(given) = given else { return Err(nobody(parameter.word.fault(shape()))) };
    let Some((name, value)) = pair(given) else {
        let name = fields::name(&given).ok();
        return Err(Refusal { name, fault: given.fault(shape()) });
    };
    let parsed = fields::name(&name).map_err(nobody)?;
    // What was not text is not what was written any more.
    if let Some(at) = value.raw.find(char::REPLACEMENT_CHARACTER) {
        let (_, rest) = value.split_at(at).unwrap_or((value, value));
        let fault = Fault { length: 1, ..rest.fault("not UTF-8 text") };
        return Err(Refusal { name: Some(parsed), fault });
    }
    if value.raw.is_empty() {
        let message = match field {
            "device" => "the device is missing",
            "key" => "the key is missing; write - for none",
            _ => "the options are missing; write - for none",
        };
        let fault = given.fault(message);
        return Err(Refusal { name: Some(parsed), fault });
    }
    Ok((parsed, value))
}

/// A parameter that begins like ours.
fn unknown(parameter: &Parameter<'_>) -> Fault {
    let name = parameter.name.raw;
    let fault = parameter.name.fault(format!("unknown parameter {}", quoted(name)));
    let last = name.rsplit('.').next().unwrap_or_default();
    match nearest(name, ["rd.bek.device", "rd.bek.key", "rd.bek.options"]) {
        Some(meant) => fault.suggest(Some(meant)),
        None if option_table::names().any(|option| option == last) => {
            fault.suggest(Some(format!("rd.bek.options=NAME={last}")))
        }
        None => fault,
    }
}
