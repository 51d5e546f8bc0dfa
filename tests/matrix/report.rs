//! The summary of all cases: how many there are of each fault at each step, and how they end.

use std::collections::BTreeMap;

use crate::plan::{End, Fault, Row, Step};

/// Both tables, in Markdown, as docs/testing.md shows them.
pub fn tables(rows: &[Row]) -> String {
    format!("{}\n{}", by_fault(rows), by_end(rows))
}

fn by_fault(rows: &[Row]) -> String {
    let lines = Fault::ALL.map(|fault| {
        let of_fault: Vec<Row> = rows.iter().copied().filter(|row| row.fault == fault).collect();
        (fault.name().to_owned(), of_fault)
    });
    table("fault", &lines, rows)
}

fn by_end(rows: &[Row]) -> String {
    let mut ends: BTreeMap<End, Vec<Row>> = BTreeMap::new();
    for row in rows {
        ends.entry(row.end).or_default().push(*row);
    }
    let lines: Vec<_> = ends.into_iter().map(|(end, rows)| (end.name(), rows)).collect();
    table("ends with", &lines, rows)
}

fn table(first: &str, lines: &[(String, Vec<Row>)], rows: &[Row]) -> String {
    let names = Step::ALL.map(Step::name).join(" | ");
    let mut text =
        format!("| {first} | {names} | all |\n|---{}|---|\n", "|---".repeat(Step::ALL.len()));
    for (name, rows) in lines {
        text.push_str(&line(name, rows));
    }
    text.push_str(&line("all", rows));
    text
}

fn line(name: &str, rows: &[Row]) -> String {
    let cells = Step::ALL.map(|step| match rows.iter().filter(|row| row.step == step).count() {
        0 => "-".to_owned(),
        count => count.to_string(),
    });
    format!("| {name} | {} | {} |\n", cells.join(" | "), rows.len())
}
