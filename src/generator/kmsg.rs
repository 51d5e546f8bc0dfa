//! Where a generator may speak: the kernel's log.
//!
//! Generators run before the journal and may talk to no process (systemd.generator(7)); journald
//! picks the lines up later, under the generator's name. A line that cannot be written is lost:
//! nothing here may keep a boot from going on.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use crate::error::printable;

/// The kernel takes about 976 bytes per record (LOG_LINE_MAX of kernel/printk).
const LONGEST: usize = 900;

/// How many lines one run may write; a broken file must not flood the console.
const MOST: usize = 20;

/// How loud a notice is; the numbers are syslog's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// On the console also with `quiet` on the kernel command line.
    Error = 3,
    /// In the log.
    Warning = 4,
}

/// Writes `notices` to `kmsg`, each as one record.
pub fn say(kmsg: &Path, level: Level, notices: &[String]) {
    let Ok(mut file) = OpenOptions::new().write(true).open(kmsg) else { return };
    for notice in notices.iter().take(MOST) {
        let _ = file.write_all(record(level, notice).as_bytes());
    }
    if let Some(more) = notices.len().checked_sub(MOST).filter(|more| *more > 0) {
        let _ = file.write_all(
            record(level, &format!("{more} more; correct the first ones and reload")).as_bytes(),
        );
    }
}

/// Facility daemon (3), as systemd itself writes: a warning is `<28>`.
fn record(level: Level, notice: &str) -> String {
    let priority = (3 << 3) | level as u8;
    let process = std::process::id();
    format!("<{priority}>bek-unlock-generator[{process}]: {}\n", printable(notice, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(notices: &[String]) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        say(file.path(), Level::Warning, notices);
        std::fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn a_notice_is_one_printable_line() {
        let text = written(&["/etc/bektab:1:2: bad\n<0>forged \u{1b}[2J".to_owned()]);
        assert!(text.starts_with("<28>bek-unlock-generator["), "{text}");
        assert!(text.ends_with("]: /etc/bektab:1:2: bad <0>forged ?[2J\n"), "{text}");
    }

    #[test]
    fn a_flood_is_counted_not_written() {
        let notices: Vec<String> = (0..50).map(|n| format!("line {n}")).collect();
        let text = written(&notices);
        assert_eq!(text.lines().count(), 21);
        assert!(text.ends_with(": 30 more; correct the first ones and reload\n"), "{text}");
    }

    #[test]
    fn no_kernel_log_is_no_error() {
        say(Path::new("/nonexistent/kmsg"), Level::Error, &["x".to_owned()]);
    }
}
