//! What a panic may say: where it happened, and nothing else.
//!
//! Rust's own hook prints the payload, and a payload may quote what was worked on: a slice of an
//! answer, a name from a disk. Here only the place in the source gets out, as the one block every
//! failure is. Unwinding goes on as ever: what is mounted, mapped or secret is undone on the way.

use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::{Mutex, PoisonError};

/// Where the latest panic of any thread began.
static PLACE: Mutex<String> = Mutex::new(String::new());

/// Replaces Rust's hook for the whole process.
pub fn install() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), shown);
        // A panic that somebody expects (edge/fat.rs) leaves no other trace.
        log::debug!("panic at {place}");
        *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }));
}

/// Runs `work`; `Err` is the place of the panic that ended it.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // Nothing that `work` may have left half done is looked at again: the process ends.
    panic::catch_unwind(AssertUnwindSafe(work))
        .map_err(|_| PLACE.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

fn shown(location: &Location<'_>) -> String {
    format!("{}:{}", location.file(), location.line())
}
