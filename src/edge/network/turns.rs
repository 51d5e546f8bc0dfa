//! Few connections instead of one for each volume, and nobody kept from the network for it.
//!
//! 64 volumes that have waited for one token would all send in the same instant, each over a new
//! connection with a handshake of its own; those that wait for their turn find one that is free. Who
//! waits while nothing is answered goes on after a moment: a vault that is silent to some must not
//! hold up the others.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::azure::id::Host;

/// Requests under way to one host before the next one waits. At 20 ms for a round trip that is 400 a
/// second, as many as a vault takes (4000 in ten seconds, "Azure Key Vault service limits").
const AT_ONCE: usize = 8;
/// How long it waits for the next answer to anybody.
const MOMENT: Duration = Duration::from_millis(500);

/// Who is under way, by host.
#[derive(Debug, Default)]
pub struct Turns {
    hosts: Mutex<HashMap<Host, Count>>,
    ended: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    busy: usize,
    ended: usize,
}

/// One request under way; ends when dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    host: &'a Host,
}

impl Turns {
    /// A turn at `host`: at once, when another one ends, or when none does.
    pub fn wait<'a>(&'a self, host: &'a Host) -> Turn<'a> {
        let mut hosts = self.hosts();
        loop {
            let before = hosts.get(host).copied().unwrap_or_default();
            if before.busy < AT_ONCE {
                break;
            }
            let waiting = |hosts: &mut HashMap<Host, Count>| hosts.get(host) == Some(&before);
            let (after, waited) = self
                .ended
                .wait_timeout_while(hosts, MOMENT, waiting)
                .unwrap_or_else(PoisonError::into_inner);
            hosts = after;
            if waited.timed_out() {
                break;
            }
        }
        hosts.entry(host.clone()).or_default().busy += 1;
        Turn { turns: self, host }
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<Host, Count>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.turns.hosts().get_mut(self.host) {
            count.busy = count.busy.saturating_sub(1);
            count.ended = count.ended.wrapping_add(1);
        }
        // All of them: those that wait may wait for different hosts.
        self.turns.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    fn host(name: &str) -> Host {
        Host::parse(name).unwrap()
    }

    #[test]
    fn no_more_than_a_few_are_under_way() {
        let (turns, host) = (Turns::default(), host("a.vault.azure.net"));
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    let _turn = turns.wait(&host);
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!(most.into_inner() <= AT_ONCE);
        assert_eq!(turns.hosts()[&host], Count { busy: 0, ended: 64 });
    }

    #[test]
    fn who_has_waited_for_a_moment_goes_on_all_the_same() {
        let (turns, slow, other) =
            (Turns::default(), host("a.vault.azure.net"), host("b.vault.azure.net"));
        let _stuck: Vec<_> = (0..AT_ONCE).map(|_| turns.wait(&slow)).collect();
        let _elsewhere = turns.wait(&other);
        let _after = turns.wait(&slow);
        assert_eq!(turns.hosts()[&slow].busy, AT_ONCE + 1);
        assert_eq!(turns.hosts()[&other].busy, 1);
    }
}
