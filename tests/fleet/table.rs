//! The tables of docs/performance.md.

use std::fmt::Write;
use std::time::Duration;

use super::limits::Count;
use super::scenes::Scene;

/// The same fleet before different vaults.
pub fn vaults<'a>(scenes: impl IntoIterator<Item = &'a Scene>) -> String {
    let head = "| the vault counts | `Retry-After` | opened | half | all | earliest | ratio | 429s for each VM | most |";
    table(head, scenes, |scene, line| {
        let counts = match scene.fleet.count {
            Count::Windows => "windows of 10 s",
            Count::Sliding => "the last 10 s",
            Count::Bucket => "a bucket, 400/s",
        };
        let after = if scene.fleet.retry_after { "yes" } else { "no" };
        let half = seconds(scene.outcome.opened[scene.outcome.opened.len() / 2]);
        write!(line, "| {counts} | {after} | {} | {half} ", opened(scene))?;
        let (all, earliest) = (scene.outcome.end(), scene.earliest());
        write!(line, "| {} | {} ", seconds(all), seconds(earliest))?;
        write!(
            line,
            "| {:.2} | {} | {} |",
            scene.ratio(earliest),
            refused(scene),
            scene.outcome.worst
        )
    })
}

/// Fleets of other sizes before the same vault.
pub fn sizes<'a>(scenes: impl IntoIterator<Item = &'a Scene>) -> String {
    let head = "| VMs | KEK | opened | all | earliest | at 400/s | ratio to that | 429s for each VM | most |";
    table(head, scenes, |scene, line| {
        let kek = if scene.fleet.weight == 1 { "software" } else { "HSM" };
        let (all, rate) = (scene.outcome.end(), scene.at_the_rate());
        write!(line, "| {} | {kek} | {} ", number(scene.fleet.machines), opened(scene))?;
        write!(line, "| {} | {} ", seconds(all), seconds(scene.earliest()))?;
        write!(line, "| {} | {:.2} ", seconds(rate), scene.ratio(rate))?;
        write!(line, "| {} | {} |", refused(scene), scene.outcome.worst)
    })
}

/// VMs with 64 volumes.
pub fn many_volumes<'a>(scenes: impl IntoIterator<Item = &'a Scene>) -> String {
    let head =
        "| VMs | volumes | a VM asks IMDS | requests to IMDS | 429s of IMDS | opened | longest |";
    table(head, scenes, |scene, line| {
        let asks = if scene.fleet.shared { "once" } else { "once for each volume" };
        let (requests, refused) = scene.outcome.imds;
        write!(line, "| {} | {} ", scene.fleet.machines, number(scene.fleet.size()))?;
        write!(line, "| {asks} | {requests} | {refused} ")?;
        write!(line, "| {} | {} |", opened(scene), seconds(scene.outcome.longest))
    })
}

fn table<'a>(
    head: &str,
    scenes: impl IntoIterator<Item = &'a Scene>,
    row: impl Fn(&Scene, &mut String) -> std::fmt::Result,
) -> String {
    let mut text = format!("{head}\n|{}\n", "---|".repeat(head.matches(" | ").count() + 1));
    for scene in scenes {
        row(scene, &mut text).expect("memory to write to");
        text.push('\n');
    }
    text
}

fn opened(scene: &Scene) -> String {
    let (opened, all) = (scene.outcome.opened.len(), scene.fleet.size());
    if scene.all_opened() {
        return "all".to_owned();
    }
    format!("{} of {}", number(opened), number(all))
}

fn refused(scene: &Scene) -> String {
    format!("{:.1}", f64::from(scene.outcome.refused()) / scene.fleet.machines as f64)
}

/// Of what is counted in tenths.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// With a comma between thousands.
pub fn number(number: usize) -> String {
    match (number / 1_000, number % 1_000) {
        (0, small) => small.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}
