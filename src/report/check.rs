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
    lines.extend(wrap(&summary(report), 0));
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
    let mut parts = wrap(&finding.text, INDENT).into_iter();
    let first = parts.next().unwrap_or_default();
    let mut lines = vec![format!("  {level} {:<12}{first}", finding.topic.to_string())];
    let advice = finding.advice.iter().flat_map(|advice| wrap(&format!("-> {advice}"), INDENT));
    lines.extend(parts.chain(advice).map(|part| format!("{:INDENT$}{part}", "")));
    lines
}

/// What fits behind `indent` columns, broken between words.
fn wrap(text: &str, indent: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(last) = lines.last_mut() else { break };
        if !last.is_empty() && indent + last.len() + 1 + word.len() > WIDTH {
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

/// What the boot does; behind that, what it leaves to others.
fn summary(report: &Report) -> String {
    // Without units or a generator nothing is opened, however good the volumes are.
    if report.machine.iter().any(|finding| finding.level == Level::Bad) {
        return "the next boot is not ready: see failed above".to_owned();
    }
    let count = |at_boot: bool, bad: bool| {
        let is = |one: &&Checked| one.at_boot == at_boot && (one.level() == Level::Bad) == bad;
        report.volumes.iter().filter(is).count()
    };
    let noun = |count: usize| if count == 1 { "volume" } else { "volumes" };
    let mut text = match (count(true, false), count(true, true)) {
        (0, 0) => "the next boot opens no volume".to_owned(),
        (opens, 0) => format!("the next boot opens {opens} {}", noun(opens)),
        (0, bad) => format!("the next boot leaves {bad} {} closed", noun(bad)),
        (opens, bad) => {
            format!("the next boot leaves {bad} {} closed, and opens {opens}", noun(bad))
        }
    };
    match count(false, false) {
        0 => {}
        1 => text.push_str("; 1 is opened at need or by hand only"),
        later => text.push_str(&format!("; {later} are opened at need or by hand only")),
    }
    match count(false, true) {
        0 => {}
        never => text.push_str(&format!("; {never} cannot be opened at need or by hand")),
    }
    if report.level() == Level::Warning {
        text.push_str(", with warnings");
    }
    text
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
