//! Opening one LUKS2 volume with a key file: the same device, key and kernel for everybody.

use crate::program::{Disk, NAME, run, timed};
use crate::table::{self, Row};

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

/// Times `rounds` openings by each tool, one after the other in every round.
pub fn compare(program: &str, rounds: usize, systemd: Option<&str>) {
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
    if let Some(systemd) = systemd {
        contenders.push(Contender::new(
            "systemd-cryptsetup attach",
            &[systemd, "attach", NAME, device, &key, "luks"],
            &[systemd, "detach", NAME],
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
    let rows: Vec<Row> = contenders.into_iter().map(|contender| contender.row).collect();
    table::print("opening a LUKS2 volume (pbkdf2, 1000 iterations) with a key file", &[], &rows);
}

fn words(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}
