//! What is waited for, and how much longer, while a boot or a person stands still because of it.
//!
//! On a terminal one line, rewritten each second. Elsewhere (the console, and the journal, where
//! `systemctl status` shows the last lines) a line of its own now and then: nothing in the first
//! five seconds, which is longer than a good boot takes, then every ten, and after two minutes, which
//! only `timeout=` above its default allows, once a minute. So 90 s are nine lines, and 64 volumes
//! that all wait do not keep a serial console busy: that takes 11 KB a second.

use std::cell::Cell;
use std::time::Duration;

use super::last_boot::awaited;
use super::{logger, progress};
use crate::deadline::trace::{Doing, Wait, Watch};
use crate::volume::VolumeName;

/// Columns of the text besides the program's name: a longer one is cut, because it stands alone.
const ROOM: usize = 79 - logger::NAME.len();

const FIRST: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(120);
const LATER_STEP: Duration = Duration::from_secs(60);
/// On a terminal; a person has looked away after less.
const FIRST_ON_TERMINAL: Duration = Duration::from_secs(1);
const STEP_ON_TERMINAL: Duration = Duration::from_secs(1);

/// Says what one volume waits for.
#[derive(Debug)]
pub struct Countdown {
    volume: VolumeName,
    terminal: bool,
    /// When the next line is due, in the time of the run.
    due: Cell<Duration>,
}

impl Countdown {
    /// For `volume`, where this process's lines go.
    pub fn new(volume: &VolumeName) -> Self {
        let terminal = logger::stderr_is_a_persons();
        let due = Cell::new(if terminal { FIRST_ON_TERMINAL } else { FIRST });
        Self { volume: volume.clone(), terminal, due }
    }

    /// Whether a line is due at `elapsed`; then the next one is when it has to be.
    fn is_due(&self, elapsed: Duration) -> bool {
        if elapsed < self.due.get() {
            return false;
        }
        let step = match elapsed {
            _ if self.terminal => STEP_ON_TERMINAL,
            elapsed if elapsed >= LATER => LATER_STEP,
            _ => STEP,
        };
        // From when it was due, not from now: a KDF in between must not shift them all.
        while self.due.get() <= elapsed {
            self.due.set(self.due.get() + step);
        }
        true
    }
}

impl Watch for Countdown {
    fn waiting(&self, wait: &Wait<'_>) {
        if !self.is_due(wait.elapsed) {
            return;
        }
        let text = line(self.volume.as_str(), wait);
        if self.terminal {
            progress::waiting(&text);
        } else {
            log::info!(target: logger::WAITING, BEK_VOLUME = self.volume.as_str(); "{text}");
        }
    }

    fn make_room(&self) {
        progress::clear();
    }
}

/// `data3: waiting for the metadata service (attempt 4), 62 s left`.
fn line(volume: &str, wait: &Wait<'_>) -> String {
    let service = match wait.doing {
        Doing::Request(_, service) => Some(service.as_str()),
        _ => None,
    };
    let attempt = match wait.tries {
        0 | 1 => String::new(),
        tries => format!(" (attempt {tries})"),
    };
    let left = match wait.left {
        None => format!(", for {} s now", wait.elapsed.as_secs()),
        // Rounded up: "0 s left" is for nobody.
        Some(left) => format!(", {} s left", left.as_millis().div_ceil(1000)),
    };
    let what = awaited(wait.doing.as_str(), service);
    let tail = match format!(": {what}{attempt}{left}") {
        // A vault with a long name: whose line it is counts for more than which try.
        long if long.len() + volume.len().min(12) > ROOM => format!(": {what}{left}"),
        tail => tail,
    };
    let room = ROOM.saturating_sub(tail.len());
    let mut text = match volume.get(..room.saturating_sub(3)) {
        Some(start) if volume.len() > room => format!("{start}...{tail}"),
        _ => format!("{volume}{tail}"),
    };
    text.truncate(ROOM);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::trace::Asked;
    use crate::key::SourceName;

    fn wait(doing: &Doing, tries: u32, elapsed: u64, left: Option<u64>) -> Wait<'_> {
        let left = left.map(Duration::from_secs);
        Wait { doing, tries, elapsed: Duration::from_secs(elapsed), left }
    }

    fn due(terminal: bool, seconds: u64) -> Vec<u64> {
        let first = if terminal { FIRST_ON_TERMINAL } else { FIRST };
        let volume = VolumeName::parse("data1").unwrap();
        let countdown = Countdown { volume, terminal, due: Cell::new(first) };
        let turns = (0..seconds * 5).map(|fifth| Duration::from_millis(fifth * 200));
        turns.filter(|at| countdown.is_due(*at)).map(|at| at.as_secs()).collect()
    }

    #[test]
    fn a_console_gets_a_line_now_and_then() {
        assert!(due(false, 5).is_empty());
        assert_eq!(due(false, 90), [5, 15, 25, 35, 45, 55, 65, 75, 85]);
        assert_eq!(due(false, 600)[9..], [95, 105, 115, 125, 185, 245, 305, 365, 425, 485, 545]);
    }

    #[test]
    fn a_terminal_gets_one_each_second() {
        assert!(due(true, 1).is_empty());
        assert_eq!(due(true, 5), [1, 2, 3, 4]);
    }

    #[test]
    fn a_turn_that_comes_late_is_one_line() {
        let volume = VolumeName::parse("data1").unwrap();
        let countdown = Countdown { volume, terminal: false, due: Cell::new(FIRST) };
        let at = [4, 44, 45, 46, 54, 55].map(Duration::from_secs);
        assert_eq!(at.map(|at| countdown.is_due(at)), [false, true, true, false, false, true]);
    }

    #[test]
    fn a_line_says_what_is_waited_for_and_for_how_long() {
        let token = Doing::Request(Asked::Token, "metadata service".to_owned());
        let waiting = "data3: waiting for the metadata service";
        assert_eq!(
            line("data3", &wait(&token, 4, 28, Some(62))),
            format!("{waiting} (attempt 4), 62 s left")
        );
        let last = Wait { left: Some(Duration::from_millis(1)), ..wait(&token, 1, 8, None) };
        assert_eq!(line("data3", &last), format!("{waiting}, 1 s left"));
        assert_eq!(line("data3", &wait(&token, 1, 8, None)), format!("{waiting}, for 8 s now"));
        assert_eq!(
            line("data3", &wait(&Doing::KeyDisk, 1, 8, Some(4))),
            "data3: waiting for the key disk, 4 s left"
        );
    }

    #[test]
    fn every_line_fits_and_is_ascii() {
        let long = "v".repeat(127);
        let vault = "v".repeat(24);
        let doings = [
            Doing::Source(SourceName::KeyVault),
            Doing::Device,
            Doing::Header,
            Doing::KeyDisk,
            Doing::ReadKeyDisk,
            Doing::Request(Asked::UnwrapKey, vault),
            Doing::Memory,
            Doing::Keyslots,
            Doing::Content,
            Doing::Question,
        ];
        for doing in doings {
            let text = line(&long, &wait(&doing, 99, 10_000, Some(10_000)));
            assert!(text.is_ascii() && text.len() <= ROOM, "{text}");
            assert!(text.starts_with("vvv") && text.ends_with(", 10000 s left"), "{text}");
        }
        let authority = Doing::Request(Asked::Token, "login.microsoftonline.com".repeat(9));
        assert_eq!(line("a", &wait(&authority, 99, 10_000, Some(10_000))).len(), ROOM);
    }
}
