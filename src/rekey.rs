//! A new key for a volume: made, wrapped, put where the next boot looks for it, and proven.
//!
//! The engine of `enroll` and `rotate`. Everything it does is in a [`Plan`], which is kept in a
//! record before the first change and forgotten after the last one: whoever is interrupted, also by
//! SIGKILL or a power cut, runs the same command again, and that finishes. Steps only add until the
//! new key was read back from where it was put and opened the volume; only then is the old keyslot
//! removed. So between any two steps the volume opens, with what opened it before or with both.
//!
//! ```text
//! passphrase ─► wrapKey ─► unwrapKey, compare ─► record ─► keyslot ─► stores ─► read back, open
//!            ─► line of bektab ─► open as the next boot will ─► old keyslot, old file ─► record gone
//! ```
//!
//! Pure: the header, Key Vault, files and records come in through traits, so that a death at every
//! single call of them is tested with values (rekey/tests).

#![forbid(unsafe_code)]

use std::path::PathBuf;

use crate::deadline::Deadline;
use crate::error::Kind;
use crate::keyslots::Keyslots;
use crate::secret::Secret;

pub use parts::{Files, Lines, Prove, Records, Vault};
pub use plan::{Line, Plan, Store};
pub use step::Step;
pub use store::of_secret as wrapped_in;

#[cfg(test)]
pub(crate) mod fake;
pub mod line;
mod parts;
pub mod passphrase;
pub mod plan;
mod record;
mod step;
mod store;
#[cfg(test)]
mod tests;

/// What rekeying works with.
pub struct World<'a> {
    /// Wrapped-key files.
    pub files: &'a mut dyn Files,
    /// The volume's header.
    pub header: &'a mut dyn Keyslots,
    /// /etc/bektab.
    pub lines: &'a mut dyn Lines,
    /// Opens the volume as the next boot will, without mapping it.
    pub prove: &'a mut dyn Prove,
    /// What is under way.
    pub records: &'a mut dyn Records,
    /// Hears of each step before it is taken.
    pub tell: &'a mut dyn FnMut(&Step),
    /// Key Vault.
    pub vault: &'a mut dyn Vault,
}

/// The keys of a run that made its plan itself; one that found a plan has to unwrap the new one.
#[derive(Debug, Default)]
pub struct Keys<'a> {
    /// What opens the volume already; not needed where the new one does.
    pub existing: Option<&'a Secret>,
    /// The new passphrase.
    pub new: Option<Secret>,
}

/// Wraps `key` and proves that it comes back: the exact version of the KEK, and the wrapped key.
///
/// Errors: those of Key Vault; `KeyMalformed` when something else comes back.
pub fn wrapped(
    wrap: &plan::Wrap,
    key: &Secret,
    vault: &mut dyn Vault,
    deadline: &Deadline<'_>,
) -> Result<plan::WrappedKey, Kind> {
    let (kek, bytes) = vault.wrap(&wrap.kek, wrap.algorithm, key, deadline)?;
    let wrapped = plan::WrappedKey { kek, algorithm: wrap.algorithm, bytes };
    let back = unwrapped(&wrapped, vault, deadline)?;
    if back.expose() != key.expose() {
        return Err(Kind::KeyMalformed {
            what: format!("kek {}", wrapped.kek),
            reason: "unwrapped another key than it had wrapped; nothing was changed".to_owned(),
        });
    }
    Ok(wrapped)
}

/// Carries out `plan`, from wherever an earlier run left it.
///
/// Errors: those of the parts. The record stays, so that the next run can go on; without a proof
/// that the new key opens the volume the way the next boot will, nothing old is removed.
pub fn carry_out(
    plan: &Plan,
    keys: Keys<'_>,
    world: &mut World<'_>,
    deadline: &Deadline<'_>,
) -> Result<(), Kind> {
    (world.tell)(&Step::Record);
    world.records.save(plan)?;
    let key = match keys.new {
        Some(key) => key,
        None => unwrapped(&plan.wrapped, world.vault, deadline)?,
    };
    keyslot(plan, &key, keys.existing, world)?;
    for store in &plan.stores {
        (world.tell)(&Step::Store(store.clone()));
        store::put(store, plan, world, deadline)?;
    }
    for store in &plan.stores {
        (world.tell)(&Step::ReadBack(store.clone()));
        read_back(store, plan, world, deadline)?;
    }
    if let Some(line) = &plan.line {
        (world.tell)(&Step::Line(line.clone()));
        world.lines.put(line)?;
    }
    if plan.proves {
        (world.tell)(&Step::Prove);
        world.prove.opens(plan.keyslot)?;
    }
    if let Some(old) = plan.old_keyslot {
        (world.tell)(&Step::OldKeyslot(old));
        remove_keyslot(old, plan, &key, world)?;
    }
    // The new one may have taken its place, where neither keyslot nor KEK is another.
    let taken = |path: &&PathBuf| plan.stores.contains(&Store::File((*path).clone()));
    if let Some(path) = plan.old_file.as_ref().filter(|path| !taken(path)) {
        (world.tell)(&Step::OldFile(path.clone()));
        world.files.remove(path)?;
    }
    (world.tell)(&Step::Forget);
    world.records.remove(&plan.uuid)
}

/// Makes sure that `key` opens the plan's keyslot. It does already where the passphrase stays, and
/// where an interrupted run came so far.
fn keyslot(
    plan: &Plan,
    key: &Secret,
    existing: Option<&Secret>,
    world: &mut World<'_>,
) -> Result<(), Kind> {
    let slot = plan.keyslot;
    if world.header.fits(key, Some(slot))?.is_some() {
        return Ok(());
    }
    let taken = |reason: &str| Kind::HeaderUnusable {
        path: plan.device.clone(),
        reason: reason.to_owned(),
    };
    if world.header.slots()?.contains(&slot) {
        return Err(taken(&format!(
            "keyslot {slot} was free and was taken meanwhile; nothing was changed"
        )));
    }
    let Some(existing) = existing else {
        return Err(Kind::Usage(format!(
            "keyslot {slot} is not made yet: a key that opens the volume is needed"
        )));
    };
    (world.tell)(&Step::Keyslot(slot));
    world.header.add(slot, existing, key)?;
    (world.tell)(&Step::Open(slot));
    match world.header.fits(key, Some(slot))? {
        Some(_) => Ok(()),
        None => Err(taken(&format!("keyslot {slot} does not open with what was put into it"))),
    }
}

/// Reads what a store holds as an unlock does, unwraps it and opens the volume with it.
fn read_back(
    store: &Store,
    plan: &Plan,
    world: &mut World<'_>,
    deadline: &Deadline<'_>,
) -> Result<(), Kind> {
    let stored = store::get(store, plan, world, deadline)?;
    let unfit = || Kind::KeyRejected { place: store.to_string(), tried: 1, keyslots: 1 };
    let stored = stored.ok_or_else(unfit)?;
    let key = unwrapped(&stored, world.vault, deadline)?;
    match world.header.fits(&key, Some(plan.keyslot))? {
        Some(_) => Ok(()),
        None => Err(unfit()),
    }
}

/// Removes the old keyslot, once more sure that it is not the last way in.
fn remove_keyslot(old: u32, plan: &Plan, key: &Secret, world: &mut World<'_>) -> Result<(), Kind> {
    let slots = world.header.slots()?;
    if !slots.contains(&old) {
        return Ok(());
    }
    if plan.old_salt.is_none() || world.header.salt(old)? != plan.old_salt {
        log::warn!("keyslot {old} is another key's than when this was begun, and stays");
        return Ok(());
    }
    let opens = world.header.fits(key, Some(plan.keyslot))?.is_some();
    if old == plan.keyslot || !opens {
        return Err(Kind::HeaderUnusable {
            path: plan.device.clone(),
            reason: format!("keyslot {old} is the last way in and stays"),
        });
    }
    world.header.remove(old)
}

fn unwrapped(
    wrapped: &plan::WrappedKey,
    vault: &mut dyn Vault,
    deadline: &Deadline<'_>,
) -> Result<Secret, Kind> {
    vault.unwrap(&wrapped.kek, wrapped.algorithm, &wrapped.bytes, deadline)
}
