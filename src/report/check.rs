//! What `check` found, for people and for programs.

use std::io;
use std::io::IsTerminal;

use serde_json::{Value, json};

use super::result;
use crate::check::{Checked, Finding, Level, Report};
use crate::error::exit;

/// Columns of a report: what a manual page, a mail or an issue still shows unbroken.
const WIDTH: usize = 68;

/// Where the sentence of a finding begins: behind level and topic.
const INDENT: usize = 23;

/// Prints the report on standard output: in colours on a terminal, else plain, or as one object.
pub fn say(report: &Report, json: bool) {
    match json {
        true => result(&format!("{}\n", report_json(report))),
        false => result(&text(report, io::stdout().is_terminal())),
    }
}

/// One block for each volume, and a last line that says what all of it comes to.
fn text(report: &Report, colour: bool) -> String {
    let mut lines = Vec::new();
    let mut block = |title: &str, findings: &[Finding]| {
        if findings.is_empty() {
            return;
        }
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(title.to_owned());
        findings.iter().for_each(|finding| lines.extend(lines_of(finding, colour)));
    };
    for checked in &report.volumes {
        block(&checked.name, &checked.findings);
    }
    block("this machine", &report.machine);
    lines.push(String::new());
    lines.push(summary(report));
    lines.join("\n") + "\n"
}

fn lines_of(finding: &Finding, colour: bool) -> Vec<String> {
    let level = format!("{:<8}", finding.level.as_str());
    let code = match finding.level {
        Level::Good => 32,
        Level::Warning => 33,
        Level::Bad => 31,
    };
    let level = if colour { format!("\x1b[{code}m{level}\x1b[0m") } else { level };
    let mut parts = wrap(&finding.text).into_iter();
    let first = parts.next().unwrap_or_default();
    let mut lines = vec![format!("  {level} {:<12}{first}", finding.topic.to_string())];
    let advice = finding.advice.iter().flat_map(|advice| wrap(&format!("-> {advice}")));
    lines.extend(parts.chain(advice).map(|part| format!("{:INDENT$}{part}", "")));
    lines
}

/// What fits beside the topic, broken between words.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(last) = lines.last_mut() else { break };
        if !last.is_empty() && INDENT + last.len() + 1 + word.len() > WIDTH {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

fn summary(report: &Report) -> String {
    let count = |level: Level| report.volumes.iter().filter(|one| one.level() == level).count();
    let (good, warned, bad) = (count(Level::Good), count(Level::Warning), count(Level::Bad));
    let opens = good + warned;
    let noun = |count: usize| if count == 1 { "volume" } else { "volumes" };
    match report.level() {
        Level::Good => format!("the next boot opens {opens} {}", noun(opens)),
        Level::Warning => format!("the next boot opens {opens} {}, with warnings", noun(opens)),
        Level::Bad if bad == 0 => "the next boot is not ready: see failed above".to_owned(),
        Level::Bad if opens == 0 => format!("the next boot leaves {bad} {} closed", noun(bad)),
        Level::Bad => {
            format!("the next boot leaves {bad} {} closed, and opens {opens}", noun(bad))
        }
    }
}

fn report_json(report: &Report) -> Value {
    let failure = report.failure();
    json!({
        "result": report.level().as_str(),
        "exit_status": failure.map_or(exit::OK, |error| error.kind.exit_status()),
        "volumes": report.volumes.iter().map(checked_json).collect::<Vec<_>>(),
        "machine": findings_json(&report.machine),
    })
}

fn checked_json(checked: &Checked) -> Value {
    json!({
        "volume": checked.name,
        "result": checked.level().as_str(),
        "findings": findings_json(&checked.findings),
    })
}

fn findings_json(findings: &[Finding]) -> Value {
    let one = |finding: &Finding| {
        json!({
            "topic": finding.topic.to_string(),
            "result": finding.level.as_str(),
            "text": finding.text,
            "advice": finding.advice,
            "error": finding.kind.as_ref().map(|kind| kind.name()),
        })
    };
    findings.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
