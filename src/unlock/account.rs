//! What one run came to and where its time went: the entry of the boot report.
//!
//! Made of an outcome and a trace, on the clock that counts from the boot (CLOCK_BOOTTIME), so that
//! what waited for what can be seen over all volumes. Holds what the journal has, nothing secret.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Opened, Outcome};
use crate::deadline::trace::{Doing, Step, Trace};
use crate::error::{Error, Kind};

/// One run for one volume. Times are in milliseconds since the kernel started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// `unlocked`, `already-open`, `new-resource-disk`, `key-found` or `failed`.
    pub result: String,
    /// Whether it ran in the initramfs.
    pub initramfs: bool,
    /// When it began.
    pub start_ms: u64,
    /// When it ended.
    pub end_ms: u64,
    /// The encrypted device, where it was found.
    pub device: Option<String>,
    /// The key source that had the key.
    pub source: Option<String>,
    /// Where exactly the key came from, for people.
    pub origin: Option<String>,
    /// The word of a failure.
    pub error: Option<String>,
    /// The exit status.
    pub exit_status: u8,
    /// What kept it from opening, the decisive one first; where it opened, what was passed over.
    pub causes: Vec<Cause>,
    /// What it did, in the order in which it began.
    pub steps: Vec<Entry>,
}

/// Why a source was of no use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The word of it.
    pub error: String,
    /// What it says.
    pub text: String,
}

/// One step of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`Doing::as_str`].
    pub step: String,
    /// The key source it was for.
    pub source: Option<String>,
    /// The service that was asked.
    pub service: Option<String>,
    /// When it began.
    pub start_ms: u64,
    /// How long it took.
    pub ms: u64,
    /// How often it was tried.
    pub tries: u32,
    /// From the first try to the last.
    pub retrying_ms: u64,
    /// The part of that without a connection.
    pub offline_ms: u64,
    /// Why the last try failed that another one followed.
    pub problem: Option<String>,
    /// The word of what it failed with.
    pub error: Option<String>,
}

impl Account {
    /// The account of a run that ended at `end` on the trace's clock, whose zero was `boot` after
    /// the kernel's start.
    pub fn of(
        result: Result<&Outcome, &Error>,
        trace: &Trace,
        end: Duration,
        boot: Duration,
    ) -> Self {
        let mut account = Self::timed(trace, end, boot);
        match result {
            Ok(Outcome::Opened(opened)) => account.opened("unlocked", opened),
            Ok(Outcome::AlreadyOpen { device }) => {
                account.result = "already-open".to_owned();
                account.device = Some(device.display().to_string());
            }
            Ok(Outcome::NewResourceDisk { device }) => {
                account.result = "new-resource-disk".to_owned();
                account.device = Some(device.display().to_string());
            }
            Err(error) => account.failed(error),
        }
        account
    }

    /// The same of a key that was found for somebody else.
    pub fn of_key(
        result: Result<&Opened, &Error>,
        trace: &Trace,
        end: Duration,
        boot: Duration,
    ) -> Self {
        let mut account = Self::timed(trace, end, boot);
        match result {
            Ok(opened) => account.opened("key-found", opened),
            Err(error) => account.failed(error),
        }
        account
    }

    fn timed(trace: &Trace, end: Duration, boot: Duration) -> Self {
        let entry = |step: &Step| Entry::of(step, end, boot);
        Self {
            start_ms: millis(boot + trace.began()),
            end_ms: millis(boot + end),
            steps: trace.steps().iter().map(entry).collect(),
            ..Self::default()
        }
    }

    fn opened(&mut self, result: &str, opened: &Opened) {
        self.result = result.to_owned();
        self.device = Some(opened.device.display().to_string());
        self.source = Some(opened.source.as_str().to_owned());
        self.origin = Some(opened.origin.clone());
        self.causes = opened.passed_over.iter().map(Cause::of).collect();
    }

    fn failed(&mut self, error: &Error) {
        self.result = "failed".to_owned();
        self.device = error.device.as_ref().map(|path| path.display().to_string());
        self.error = Some(error.kind.name().to_owned());
        self.exit_status = error.kind.exit_status();
        let kinds = std::iter::once(&error.kind).chain(&error.others);
        self.causes = kinds.map(Cause::of).collect();
    }

    /// How long it took.
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(self.end_ms.saturating_sub(self.start_ms))
    }

    /// The step that took longest, of those that are no part of another one's time.
    pub fn longest(&self) -> Option<&Entry> {
        let parts = self.steps.iter().filter(|entry| entry.is_counted());
        parts.max_by_key(|entry| entry.ms)
    }
}

impl Cause {
    fn of(kind: &Kind) -> Self {
        Self { error: kind.name().to_owned(), text: kind.to_string() }
    }
}

impl Entry {
    fn of(step: &Step, end: Duration, boot: Duration) -> Self {
        let spent = match step.end {
            Some(_) => step.spent,
            None => end.saturating_sub(step.start),
        };
        let service = match &step.doing {
            Doing::Request(_, service) => Some(service.clone()),
            _ => None,
        };
        Self {
            step: step.doing.as_str().to_owned(),
            source: match step.doing {
                Doing::Source(source) => Some(source.as_str().to_owned()),
                _ => step.source.map(|source| source.as_str().to_owned()),
            },
            service,
            start_ms: millis(boot + step.start),
            ms: millis(spent),
            tries: step.tries,
            retrying_ms: millis(step.retrying),
            offline_ms: millis(step.offline),
            problem: step.problem.clone(),
            error: step.failure.map(str::to_owned),
        }
    }

    /// Whether its time is its own: a source's is that of its steps, and the wait for a key disk has
    /// the reading in it.
    pub fn is_counted(&self) -> bool {
        !matches!(self.step.as_str(), "source" | "read-key-disk")
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
