//! `bek-unlock keyscript`: a volume's key for cryptsetup-initramfs, which opens the volume itself.

use std::path::Path;
use std::time::Duration;

use super::account::{self, Ended};
use super::machine::Machine;
use super::sources::KeySources;
use crate::config;
use crate::config::keyscript::{self, Request};
use crate::deadline::Deadline;
use crate::edge::key_pipe::KeyPipe;
use crate::edge::luks::Libcryptsetup;
use crate::edge::process::{self, SystemClock};
use crate::error::{Error, Goal, Kind};
use crate::report::{self, logger};
use crate::unlock;

/// How long a further try (`tries=` of crypttab(5)) waits: the first one had all of `timeout=`, and
/// nobody types another passphrase meanwhile.
const NEXT_TRY: Duration = Duration::from_secs(10);

/// Writes the key of the volume that the environment describes to standard output.
#[expect(clippy::disallowed_methods, reason = "a keyscript is told in CRYPTTAB_* what to do")]
pub fn run() -> Result<(), Error> {
    let fail = |kind: Kind| Error::new(Goal::Unlock, kind);
    // First of all: no key is looked for that may not be handed over.
    let pipe = KeyPipe::stdout().map_err(fail)?;
    process::harden().map_err(fail)?;
    let Request { volume, tried } = keyscript::request(std::env::vars_os()).map_err(fail)?;
    logger::about(&volume.name);
    let clock = SystemClock::new();
    let trace = account::trace(&clock, &volume.name);
    let mut deadline = Deadline::start(&clock, volume.options.timeout.0).traced(&trace);
    if tried > 0 {
        deadline = deadline.within(NEXT_TRY);
    }

    let root = Path::new("/");
    // cryptsetup opens with the header it was told of: no copy may stand in for it.
    let mut machine = Machine::new(root, false);
    let mut luks = pipe.behind(Libcryptsetup::new());
    let mut world = machine.world(&mut luks);
    let mut sources = KeySources::new(root, &volume);
    let found = unlock::find_key(&volume, &mut world, &mut sources, &deadline);
    if let Ok(found) = &found {
        report::key_found(&volume, found, deadline.elapsed());
    }
    let initramfs = config::in_initramfs(root);
    account::keep(&volume.name, Ended::Key(found.as_ref()), &trace, &clock, initramfs);
    found.map(|_| ())
}
