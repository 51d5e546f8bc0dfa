//! `bek-unlock status`: what is open, from which key source, since when.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::table;
use crate::config;
use crate::edge::mapping::MappedDevices;
use crate::edge::state::{Record, State};
use crate::error::{Error, Goal, Kind};
use crate::mapping::Mapping;
use crate::report;
use crate::volume::VolumeName;

/// One line of the answer.
#[derive(Debug)]
struct Row {
    name: VolumeName,
    mapping: Option<Mapping>,
    record: Option<Record>,
}

/// The table, or with `json` one array; all configured and all recorded volumes without `names`.
///
/// Errors: `NotConfigured` for a name that is neither configured nor open.
pub fn run(root: &Path, names: &[VolumeName], json: bool) -> Result<String, Error> {
    let rows = rows(root, names)?;
    if json {
        let values: Vec<Value> = rows.iter().map(row_json).collect();
        return Ok(format!("{}\n", Value::Array(values)));
    }
    if rows.is_empty() {
        return Ok("no volume is configured in /etc/bektab and none is open\n".to_owned());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(text(&rows, now))
}

fn rows(root: &Path, names: &[VolumeName]) -> Result<Vec<Row>, Error> {
    let fail = |kind: Kind| Error::new(Goal::Show, kind);
    let mapped = MappedDevices::new(root);
    let state = State::new(root);
    let open = mapped.all().map_err(fail)?;
    let mut rows: BTreeMap<VolumeName, Row> = BTreeMap::new();
    let configuration = config::load(root);
    // A line that does not parse is no volume, and whoever looks for it should know why.
    configuration.problems.iter().for_each(report::passing_problem);
    for entry in configuration.entries {
        let name = entry.volume.name;
        rows.insert(name.clone(), Row { record: None, mapping: None, name });
    }
    for mapping in open {
        let record = state.read(&mapping.name);
        // Mappings that others opened are theirs, unless they carry a configured name.
        if record.is_some() || rows.contains_key(&mapping.name) || names.contains(&mapping.name) {
            let name = mapping.name.clone();
            rows.insert(name.clone(), Row { record, mapping: Some(mapping), name });
        }
    }
    if names.is_empty() {
        return Ok(rows.into_values().collect());
    }
    names
        .iter()
        .map(|name| {
            rows.remove(name).ok_or_else(|| fail(Kind::NotConfigured { name: name.clone() }))
        })
        .collect()
}

fn row_json(row: &Row) -> Value {
    json!({
        "volume": row.name.as_str(),
        "open": row.mapping.is_some(),
        "devices": row.mapping.as_ref().map(|mapping| &mapping.devices),
        "type": row.mapping.as_ref().and_then(|mapping| mapping.kind.as_deref()),
        "read_only": row.mapping.as_ref().map(|mapping| mapping.read_only),
        "opened_by_us": row.record.is_some(),
        "source": row.record.as_ref().map(|record| &record.source),
        "origin": row.record.as_ref().map(|record| &record.origin),
        "keyslot": row.record.as_ref().map(|record| record.keyslot),
        "header": row.record.as_ref().map(|record| &record.header),
        "header_why": row.record.as_ref().map(|record| &record.header_why),
        "since": row.record.as_ref().map(|record| record.since),
        "elapsed_ms": row.record.as_ref().map(|record| record.elapsed_ms),
    })
}

fn text(rows: &[Row], now: u64) -> String {
    let mut lines =
        vec![["VOLUME", "STATE", "TYPE", "DEVICE", "SINCE", "KEY FROM"].map(str::to_owned)];
    for row in rows {
        let dash = || "-".to_owned();
        let mapping = row.mapping.as_ref();
        let record = row.record.as_ref();
        lines.push([
            row.name.to_string(),
            if mapping.is_some() { "open" } else { "closed" }.to_owned(),
            mapping.and_then(|mapping| mapping.kind.clone()).unwrap_or_else(dash),
            mapping
                .and_then(|mapping| mapping.devices.first())
                .map_or_else(dash, |device| device.display().to_string()),
            record.map_or_else(dash, |record| ago(record.since, now)),
            match (mapping, record) {
                (Some(_), Some(record)) => record.origin.clone(),
                (Some(_), None) => "opened by another program".to_owned(),
                (None, _) => dash(),
            },
        ]);
    }
    table::lines(&lines).join("\n") + "\n"
}

/// How long ago, in the largest unit that is full: the wall clock may have been set since.
fn ago(since: u64, now: u64) -> String {
    let seconds = now.saturating_sub(since);
    let (count, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3_600 => (seconds / 60, "min"),
        3_600..86_400 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{count} {unit} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        for (seconds, text) in
            [(0, "0 s ago"), (61, "1 min ago"), (7_200, "2 h ago"), (200_000, "2 days ago")]
        {
            assert_eq!(ago(1_000_000, 1_000_000 + seconds), text);
        }
        assert_eq!(ago(5, 0), "0 s ago");
    }
}
