//! 10,000 VMs boot in the same second: the program's own retries before the documented limits of
//! Key Vault and IMDS, on a clock that nobody waits for.
//!
//! What is simulated and how is said in fleet/volume.rs and fleet/limits.rs. The dice are seeded:
//! the numbers are the same in every run, and those of docs/performance.md are compared with them.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml lets test functions fail loudly, not what they call"
)]

use std::fs;
use std::time::Duration;

use document::Results;
use limits::{Count, Imds, Throttled, Vault};
use scenes::Scene;

#[path = "fleet/answers.rs"]
mod answers;
#[path = "fleet/dice.rs"]
mod dice;
#[path = "fleet/document.rs"]
mod document;
#[path = "fleet/limits.rs"]
mod limits;
#[path = "fleet/plot.rs"]
mod plot;
#[path = "fleet/scenes.rs"]
mod scenes;
#[path = "fleet/simulation.rs"]
mod simulation;
#[path = "fleet/table.rs"]
mod table;
#[path = "fleet/volume.rs"]
mod volume;

/// One test, because all it says is about the same simulations.
#[test]
fn fleets_open_in_time_and_the_document_says_how() {
    let results = Results::new();
    for scene in &results.vaults {
        opens_by_itself(scene);
        within_a_quarter(scene, scene.ratio(scene.earliest()));
    }
    for scene in &results.sizes {
        opens_by_itself(scene);
    }
    many_volumes(&results.many_volumes);
    for (path, expected) in results.files() {
        let text = fs::read_to_string(&path).unwrap_or_default();
        assert!(text == expected, "{} is out of date: make fleet", path.display());
    }
}

/// Every volume in time, with one request for a token.
fn opens_by_itself(scene: &Scene) {
    let outcome = &scene.outcome;
    assert!(scene.all_opened(), "{:?}: {:?}", scene.fleet, outcome.failed.first());
    assert_eq!(outcome.imds, (1, 0), "{:?}", scene.fleet);
    // Nobody was counted twice, and nobody got past the limit.
    let granted: u32 = outcome.seconds.iter().map(|(granted, _)| granted).sum();
    assert_eq!(granted as usize, 2 * scene.fleet.size());
    assert!(outcome.end() >= scene.earliest(), "{:?}: {:?}", scene.fleet, outcome.end());
}

fn within_a_quarter(scene: &Scene, ratio: f64) {
    assert!(ratio <= 1.25, "{:?}: {ratio}", scene.fleet);
}

fn many_volumes(scenes: &[Scene]) {
    for scene in scenes {
        assert!(scene.all_opened(), "{:?}: {:?}", scene.fleet, scene.outcome.failed.first());
        let (requests, refused) = scene.outcome.imds;
        if scene.fleet.shared {
            assert_eq!((requests, refused), (1, 0), "{:?}", scene.fleet);
        } else {
            assert_eq!(requests - refused, 64, "{:?}", scene.fleet);
        }
    }
}

#[test]
fn a_vault_grants_four_thousand_in_ten_seconds_and_not_one_more() {
    let ms = Duration::from_millis;
    for (count, again) in
        [(Count::Windows, ms(10_000)), (Count::Sliding, ms(10_500)), (Count::Bucket, ms(503))]
    {
        let mut vault = Vault::new(count, true);
        let granted = (0..5_000).filter(|_| vault.ask(ms(500), 1).is_ok()).count();
        assert_eq!(granted, 4_000, "{count:?}");
        let Err(Throttled(after)) = vault.ask(again - ms(1), 1) else { panic!("{count:?}") };
        assert_eq!(after, Some(Duration::from_secs(1)), "{count:?}");
        assert!(vault.ask(again, 1).is_ok(), "{count:?}");
    }
    let mut vault = Vault::new(Count::Windows, false);
    assert_eq!((0..3_000).filter(|_| vault.ask(ms(0), 2).is_ok()).count(), 2_000);
    assert!(matches!(vault.ask(ms(0), 1), Err(Throttled(None))));
}

#[test]
fn imds_grants_five_at_once_and_twenty_in_a_second() {
    let ms = Duration::from_millis;
    let mut imds = Imds::default();
    let mut granted = |at: u64| (0..9).filter(|_| imds.ask(ms(at), ms(at + 100))).count();
    assert_eq!([0, 99, 100, 200, 300, 400, 999, 1_000].map(&mut granted), [5, 0, 5, 5, 5, 0, 0, 5]);
}
