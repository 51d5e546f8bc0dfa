//! `bek-unlock decode`: what unwrapKey answered to the key, offline.
//!
//! No code that can reach the network stands between standard input and standard output:
//! tests/house.rs follows what this file uses.

use crate::edge::key_paste;
use crate::edge::process;
use crate::error::{Error, Goal, Kind};
use crate::recovery;
use crate::report;

/// What messages call it.
const INPUT: &str = "standard input";

/// Reads standard input and writes the key in it, and nothing else, to standard output.
pub fn run() -> Result<(), Error> {
    let fail = |kind: Kind| Error::new(Goal::Decode, kind);
    let refuse = |refusal| fail(Kind::MaterialRefused { what: INPUT.to_owned(), refusal });
    key_paste::not_a_terminal().map_err(fail)?;
    process::keep_secrets();
    let pasted = key_paste::read().map_err(refuse)?;
    let materials = recovery::recognise(&pasted).map_err(refuse)?;
    let (key, origin) = recovery::only_key(materials).map_err(refuse)?;
    let mode = key_paste::write(&key.secret).map_err(fail)?;
    report::decoded(INPUT, &key, &origin, mode);
    Ok(())
}
