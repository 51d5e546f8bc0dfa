//! The fleets that are simulated, and their rows in docs/performance.md.

use std::time::Duration;

use super::limits::{Count, at_the_rate, earliest};
use super::simulation::{Fleet, Outcome};

/// The fleet the limits are measured with; everything else differs from it in one thing.
pub const FLEET: Fleet = Fleet {
    machines: 10_000,
    volumes: 1,
    count: Count::Windows,
    retry_after: false,
    weight: 1,
    shared: true,
    // The default of bektab(5).
    timeout: Duration::from_secs(90),
};

/// [`FLEET`] before vaults of every kind. The first two are plotted.
pub fn vaults() -> Vec<Fleet> {
    let before = |count, retry_after| Fleet { count, retry_after, ..FLEET };
    vec![
        before(Count::Windows, false),
        before(Count::Windows, true),
        before(Count::Sliding, false),
        before(Count::Sliding, true),
        before(Count::Bucket, false),
    ]
}

/// Smaller ones, and one with its KEK in an HSM.
pub fn sizes() -> Vec<Fleet> {
    let of = |machines| Fleet { machines, ..FLEET };
    vec![of(1_000), of(3_000), of(5_000), Fleet { weight: 2, ..FLEET }]
}

/// 64 volumes in each VM, with one question to IMDS and with 64.
pub fn many_volumes() -> Vec<Fleet> {
    let of = |machines, shared| Fleet { machines, volumes: 64, shared, ..FLEET };
    vec![of(1, false), of(1, true), of(100, false), of(100, true)]
}

/// What a fleet came to.
pub struct Scene {
    /// What booted.
    pub fleet: Fleet,
    /// What came of it.
    pub outcome: Outcome,
}

impl Scene {
    /// Boots `fleet`.
    pub fn of(fleet: Fleet) -> Self {
        Self { fleet, outcome: fleet.boot() }
    }

    /// The least time the vault allows, whoever asks.
    pub fn earliest(&self) -> Duration {
        earliest(self.fleet.count, self.fleet.weight())
    }

    /// The time the vault needs at the rate of its limit.
    pub fn at_the_rate(&self) -> Duration {
        at_the_rate(self.fleet.weight())
    }

    /// Whether every volume was opened by its deadline.
    pub fn all_opened(&self) -> bool {
        self.outcome.failed.is_empty()
            && self.outcome.opened.len() == self.fleet.size()
            && self.outcome.longest <= self.fleet.timeout
    }

    /// The last volume's moment over this least one.
    pub fn ratio(&self, least: Duration) -> f64 {
        self.outcome.end().as_secs_f64() / least.as_secs_f64()
    }
}

/// Boots all of `fleets`, on as many cores as there are.
pub fn all(fleets: Vec<Fleet>) -> Vec<Scene> {
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            fleets.into_iter().map(|fleet| scope.spawn(move || Scene::of(fleet))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a simulation")).collect()
    })
}
