//! Keeps the account of a run: in the boot report, and as a line of the journal.

use std::path::Path;

use crate::deadline::Clock as _;
use crate::deadline::trace::Trace;
use crate::edge::boot_report::BootReport;
use crate::edge::process::SystemClock;
use crate::error::Error;
use crate::report;
use crate::report::waiting::Countdown;
use crate::unlock::account::Account;
use crate::unlock::{Opened, Outcome};
use crate::volume::VolumeName;

/// What a run that ends here came to.
pub enum Ended<'a> {
    /// `attach`.
    Attach(Result<&'a Outcome, &'a Error>),
    /// A key for somebody else.
    Key(Result<&'a Opened, &'a Error>),
}

/// A trace of a run for `name` that starts now, of which the console is told.
pub fn trace(clock: &SystemClock, name: &VolumeName) -> Trace {
    Trace::start(clock).watched(Box::new(Countdown::new(name)))
}

/// Keeps the account of a run that ends now. What fails here is no failure of the run.
pub fn keep(
    name: &VolumeName,
    ended: Ended<'_>,
    trace: &Trace,
    clock: &SystemClock,
    initramfs: bool,
) {
    let (end, boot) = (clock.now(), clock.after_boot());
    let account = match ended {
        Ended::Attach(result) => Account::of(result, trace, end, boot),
        Ended::Key(result) => Account::of_key(result, trace, end, boot),
    };
    let account = Account { initramfs, ..account };
    report::last_boot::log(name, &account);
    if let Err(error) = BootReport::new(Path::new("/")).add(name, account) {
        log::debug!("the boot report goes without {name}: {error}");
    }
}
