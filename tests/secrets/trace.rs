//! What a program hands to the kernel, and where to: strace(1), read for secrets.
//!
//! Every byte that leaves a process leaves it through a system call. Its arguments are searched, for
//! every process and thread of the program; what comes back from the kernel is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::needles::Needles;

/// Whose buffers are filled by the kernel.
const READS: [&str; 9] = [
    "read",
    "readv",
    "pread64",
    "preadv",
    "preadv2",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "getsockopt",
];

/// Strings and structures in full, with the names of descriptors; nothing else on the terminal.
pub fn strace(log: &Path, program: &str) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qqq", "-yy", "-v", "-s", "1048576", "-o"]).arg(log).arg(program);
    command
}

/// A system call with a secret in it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Carried {
    /// The call, and what its first descriptor is.
    pub call: String,
    /// Which secret, and how it is spelled.
    pub what: String,
}

/// The log of one run.
pub struct Trace {
    calls: Vec<(String, Vec<u8>)>,
    /// The numbers of the sockets that the program made as pairs.
    pairs: BTreeSet<String>,
}

impl Trace {
    /// Reads what [`strace`] wrote.
    pub fn read(log: &Path) -> Self {
        let trace = Self::parse(&fs::read(log).unwrap());
        // A log without these was not read right.
        for name in ["execve", "mmap", "openat"] {
            let there = trace.calls.iter().any(|(call, _)| call.split(' ').next() == Some(name));
            assert!(there, "{name} is missing in {}", log.display());
        }
        trace
    }

    fn parse(text: &[u8]) -> Self {
        let mut calls = Vec::new();
        let mut pairs = BTreeSet::new();
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let words = String::from_utf8_lossy(line);
            let call = words.split_once(' ').unwrap().1.trim_start();
            // A call that another thread's interrupted goes on in a line of its own.
            let resumed = call.strip_prefix("<... ");
            let name = resumed.unwrap_or(call).split(['(', ' ']).next().unwrap();
            if name == "socketpair" {
                let sockets = call.match_indices("UNIX").map(|(at, _)| &call[at..]);
                pairs.extend(sockets.filter_map(socket).map(str::to_owned));
            }
            let named = if resumed.is_some() { None } else { descriptor(call) };
            let call = format!("{name} {}", named.unwrap_or_default());
            calls.push((call.trim_end().to_owned(), unescaped(line)));
        }
        Self { calls, pairs }
    }

    /// The calls that hand a secret to the kernel, each once; but for those that hand it from one
    /// process of the program to another, over a pair of sockets that it made and that has no name.
    pub fn carried(&self, needles: &Needles) -> BTreeSet<Carried> {
        let mut found = self.with(needles, |name| !READS.contains(&name));
        found.retain(|carried| {
            let descriptor = carried.call.split_once(' ').map_or("", |(_, descriptor)| descriptor);
            !socket(descriptor).is_some_and(|number| self.pairs.contains(number))
        });
        found
    }

    /// The calls that brought one.
    pub fn brought(&self, needles: &Needles) -> BTreeSet<Carried> {
        self.with(needles, |name| READS.contains(&name))
    }

    fn with(&self, needles: &Needles, wanted: impl Fn(&str) -> bool) -> BTreeSet<Carried> {
        let calls = self.calls.iter().filter(|(call, _)| wanted(call.split(' ').next().unwrap()));
        calls
            .filter_map(|(call, bytes)| {
                let what = needles.find(bytes)?.to_owned();
                Some(Carried { call: call.clone(), what })
            })
            .collect()
    }
}

/// The name of a call's first descriptor: what stands in its brackets, and there are some in the
/// names of sockets and devices, too.
fn descriptor(call: &str) -> Option<&str> {
    let (arguments, rest) = call.split_once('<')?;
    if !arguments.ends_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut depth = 1;
    for (at, c) in rest.char_indices() {
        match c {
            '<' => depth += 1,
            // Not the arrow between the two ends of a connection.
            '>' if !rest[..at].ends_with('-') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&rest[..at]);
        }
    }
    None
}

/// The number of a socket without a name: `UNIX-STREAM:[1->2]`, or `[1]` when the other end is gone.
fn socket(descriptor: &str) -> Option<&str> {
    let numbers = descriptor.strip_prefix("UNIX-")?.split_once(":[")?.1.split([']', ',']).next()?;
    numbers.split("->").next()
}

/// The bytes that C's escapes in `line` mean.
fn unescaped(line: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(line.len());
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        at += 1;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let digits =
            line[at..].iter().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
        if digits > 0 {
            let number = line[at..at + digits]
                .iter()
                .fold(0, |number, digit| number * 8 + u32::from(digit - b'0'));
            bytes.push(number as u8);
            at += digits;
            continue;
        }
        let escaped = line.get(at).copied().unwrap_or(b'\\');
        at += 1;
        bytes.push(match escaped {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'v' => 11,
            b'f' => 12,
            other => other,
        });
    }
    bytes
}

#[test]
fn calls_are_told_by_what_they_go_to() {
    let log = r#"
8131  socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, [3<UNIX-STREAM:[68->69]>, 4<UNIX-STREAM:[69->68]>]) = 0
8254  sendto(4<UNIX-STREAM:[69->68]>, "a secret that is searched for\0\n", 31, 0, NULL, 0) = 31
8131  <... recvfrom resumed>"a secret that is searched for\0\n", 100, 0, NULL, NULL) = 31
8131  sendto(5<UNIX-DGRAM:[70->71,"/run/log"]>, "a secret \164hat is searched for", 29, 0, NULL, 0) = 29
8131  ioctl(6</dev/mapper/control<char 10:236>>, DM_TABLE_LOAD, {string="a secret that is searched for"}) = 0
"#;
    let trace = Trace::parse(log.as_bytes());
    let needles = Needles::new(&[("it", b"a secret that is searched for, and more")]);
    let calls = |found: BTreeSet<Carried>| found.into_iter().map(|carried| carried.call);
    assert!(calls(trace.carried(&needles)).eq([
        r#"ioctl /dev/mapper/control<char 10:236>"#,
        r#"sendto UNIX-DGRAM:[70->71,"/run/log"]"#,
    ]));
    assert!(calls(trace.brought(&needles)).eq(["recvfrom"]));
}
