//! Opening one LUKS2 volume with a key file: the same device, key and kernel for everybody.
//!
//! clevis has no pin that reads a file. Its null pin keeps the key in the header's own token and
//! asks nobody, which is the least that clevis can do.

use crate::program::{Disk, NAME, peak, run, timed};
use crate::table::{self, Row};

/// What `clevis luks bind` does, but with the key there is, so that all open the same keyslot.
const BIND: &str = r#"
    jwe=$(clevis encrypt null '{}' <"$1" | jose jwe fmt --input=-)
    printf '{"type":"clevis","keyslots":["0"],"jwe":%s}' "$jwe" | cryptsetup token import "$2"
"#;

/// A tool that opens and closes: two command lines.
struct Contender {
    row: Row,
    open: Vec<String>,
    close: Vec<String>,
}

impl Contender {
    fn new(name: &str, open: &[&str], close: &[&str]) -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self { row: Row::new(name), open: owned(open), close: owned(close) }
    }
}

/// Who is compared with bek-unlock and cryptsetup, where it is there.
pub struct Others<'a> {
    /// Path of systemd-cryptsetup.
    pub systemd: Option<&'a str>,
    pub clevis: bool,
}

/// Times `rounds` openings by each tool, one after the other in every round, and takes the memory
/// of one more.
pub fn compare(program: &str, rounds: usize, others: &Others<'_>) {
    let disk = Disk::new();
    let (device, key) = (disk.device.as_str(), disk.path("key"));
    let mut contenders = vec![
        Contender::new(
            "bek-unlock attach",
            &[program, "attach", NAME, device, &key, "luks"],
            &[program, "detach", NAME],
        ),
        Contender::new(
            "cryptsetup open",
            &["cryptsetup", "open", "--key-file", &key, device, NAME],
            &["cryptsetup", "close", NAME],
        ),
    ];
    if let Some(systemd) = others.systemd {
        contenders.push(Contender::new(
            "systemd-cryptsetup attach",
            &[systemd, "attach", NAME, device, &key, "luks"],
            &[systemd, "detach", NAME],
        ));
    }
    if others.clevis {
        run(&["/bin/sh", "-ec", BIND, "-", &key, device]);
        contenders.push(Contender::new(
            "clevis luks unlock (null)",
            &["clevis", "luks", "unlock", "-d", device, "-n", NAME],
            &["cryptsetup", "close", NAME],
        ));
    }
    // The first round fills caches and loads modules; it does not count.
    for round in 0..=rounds {
        for contender in &mut contenders {
            let seconds = timed(&words(&contender.open));
            run(&words(&contender.close));
            if round > 0 {
                contender.row.push(seconds);
            }
        }
    }
    let mut peaks = Vec::new();
    for contender in &contenders {
        peaks.push(peak(&words(&contender.open)));
        run(&words(&contender.close));
    }
    let least = peaks.iter().copied().min().unwrap_or(1);
    for (contender, &kib) in contenders.iter_mut().zip(&peaks) {
        contender.row.note(kib.to_string());
        contender.row.note(format!("{:.2}", kib as f64 / least as f64));
    }
    let rows: Vec<Row> = contenders.into_iter().map(|contender| contender.row).collect();
    let title = "opening a LUKS2 volume (pbkdf2, 1000 iterations) with a key file";
    table::print(title, &["peak KiB", "of the least"], &rows);
}

fn words(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}
