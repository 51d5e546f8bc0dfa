//! One case without device-mapper: a line of bektab(5), what is wrong around it, and all that must
//! hold afterwards.
//!
//! `{dir}` in a line is the worker's own directory: `{dir}/images` has volumes, `{dir}/keys` files.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::plan::{End, Fault, Row, Step};

/// The vault whose secrets are all right.
pub const VAULT: &str = "https://contoso-kv.vault.azure.net";
/// The version of the KEK that wrapped everything.
pub const VERSION: &str = "0123456789abcdef0123456789abcdef";

/// Something else than the files that is wrong, or that happens while the program runs.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// A fault rule of the emulator.
    Rule(Value),
    /// A change of the emulator, and the one that takes it back.
    Change(Value, Value),
    /// This address is nobody's.
    Unplugged(&'static str),
    /// The address comes back after this many milliseconds.
    PluggedAfter(&'static str, u64),
    /// This file of `images` appears as `{dir}/case/NAME` after so many milliseconds.
    Appears(&'static str, &'static str, u64),
    /// So many KiB of memory are free, until so many milliseconds have passed.
    Memory(u64, Option<u64>),
    /// The signal, as soon as the emulator has seen so many requests, or after so many
    /// milliseconds.
    Signal(i32, Moment),
    /// A second run at the same time.
    Twice,
    /// What the program reads from standard input.
    Input(Vec<u8>),
}

/// When a signal is sent.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// When the emulator has been asked so often.
    Requests(usize),
    /// So many milliseconds after the emulator has been asked so often.
    Into(usize, u64),
    /// When the run has gone on for so many milliseconds.
    After(u64),
}

#[derive(Clone, Debug)]
pub struct Case {
    pub step: Step,
    pub fault: Fault,
    /// What exactly is wrong.
    pub what: String,
    pub device: &'static str,
    pub key: String,
    pub options: String,
    /// `timeout=` in seconds.
    pub timeout: u64,
    pub trouble: Vec<Trouble>,
    pub end: End,
    /// Words of the report.
    pub says: Vec<String>,
    /// Requests to the metadata service and to the vaults.
    pub asked: [RangeInclusive<usize>; 2],
    /// `decode` instead of an unlock.
    pub decode: bool,
}

/// A line whose secret is named by its URL; nothing is wrong yet.
pub fn case(step: Step, fault: Fault, what: impl Into<String>) -> Case {
    Case {
        step,
        fault,
        what: what.into(),
        device: "{dir}/images/luks2",
        key: format!("{VAULT}/secrets/wrapped"),
        options: String::new(),
        timeout: 20,
        trouble: Vec::new(),
        end: End::Opens,
        says: Vec::new(),
        asked: [1..=1, 2..=2],
        decode: false,
    }
}

impl Case {
    pub fn row(&self) -> Row {
        Row { step: self.step, fault: self.fault, end: self.end }
    }

    /// `step x fault: what`, which selects it, too.
    pub fn name(&self) -> String {
        format!("{} x {}: {}", self.step.name(), self.fault.name(), self.what)
    }

    pub fn device(self, device: &'static str) -> Self {
        Self { device, ..self }
    }

    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: key.into(), ..self }
    }

    pub fn options(self, options: impl Into<String>) -> Self {
        Self { options: options.into(), ..self }
    }

    pub fn timeout(self, timeout: u64) -> Self {
        Self { timeout, ..self }
    }

    /// The secret is found by its tags.
    pub fn by_tags(self) -> Self {
        let options = format!("vault={VAULT},machine-name=web-1");
        self.key("{dir}/keys/absent").options(options).asked(1, 3)
    }

    /// The wrapped key is in a file, and the line names the KEK.
    pub fn wrapped_file(self) -> Self {
        let kek = format!("kek={VAULT}/keys/kek/{VERSION}");
        self.key("{dir}/keys/wrapped").options(kek).asked(1, 1)
    }

    /// A passphrase in a file: nobody is asked.
    pub fn local(self) -> Self {
        self.key("{dir}/keys/right").asked(0, 0)
    }

    pub fn trouble(mut self, trouble: Trouble) -> Self {
        self.trouble.push(trouble);
        self
    }

    /// The next request to `step` that matches meets `action`.
    pub fn rule(self, step: Step, times: Value, action: Value) -> Self {
        self.rule_after(step, 0, times, action)
    }

    pub fn rule_after(self, step: Step, delay_ms: u64, times: Value, action: Value) -> Self {
        let matches = matching(step);
        let rule =
            json!({"match": matches, "times": times, "action": action, "delay_ms": delay_ms});
        self.trouble(Trouble::Rule(rule))
    }

    pub fn exits(self, status: i32, words: &[&str]) -> Self {
        Self { end: End::Exit(status), ..self.says(words) }
    }

    pub fn says(mut self, words: &[&str]) -> Self {
        self.says.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    pub fn asked(self, imds: usize, vault: usize) -> Self {
        Self { asked: [imds..=imds, vault..=vault], ..self }
    }

    /// The same without what was wrong: what a run that was ended leaves to the next one.
    pub fn undisturbed(&self) -> Self {
        let after = case(self.step, self.fault, format!("{}, the run after it", self.what));
        if self.key.starts_with("https:") { after } else { after.local() }
    }

    pub fn asked_within(self, imds: RangeInclusive<usize>, vault: RangeInclusive<usize>) -> Self {
        Self { asked: [imds, vault], ..self }
    }
}

/// The requests that `step` makes.
fn matching(step: Step) -> Value {
    match step {
        Step::Token => json!({"service": "imds"}),
        Step::List => json!({"service": "vault", "method": "GET", "path": "/secrets"}),
        Step::Secret => json!({"service": "vault", "method": "GET", "path": "/secrets/*"}),
        _ => json!({"service": "vault", "method": "POST", "path": "/keys/*"}),
    }
}
