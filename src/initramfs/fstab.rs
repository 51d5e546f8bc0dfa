//! fstab(5), as far as a plan needs it: which device is mounted where.

use std::path::{Path, PathBuf};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// First field, without quotes: a path or a tag such as `UUID=`.
    pub device: String,
    /// Second field.
    pub point: PathBuf,
    /// Third field.
    pub kind: String,
    /// Fourth field.
    pub options: String,
}

impl Line {
    /// The value of an option, as in `subvol=@boot`.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.split(',').find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }
}

/// The lines that mount something; comments, swap and what is incomplete are left out.
pub fn parse(text: &str) -> Vec<Line> {
    text.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<Line> {
    let mut fields = text.split_ascii_whitespace().map(unescape);
    let device = fields.next().filter(|field| !field.starts_with('#'))?;
    let point = PathBuf::from(fields.next().filter(|field| field.starts_with('/'))?);
    let kind = fields.next()?;
    Some(Line {
        device: device.replace('"', ""),
        point: point.components().collect(),
        kind,
        options: fields.next().unwrap_or_default(),
    })
}

/// The line whose mount point `path` is below, the root's left out; the deepest one, and of equals
/// the last, which is mounted over the others.
pub fn holder<'a>(lines: &'a [Line], path: &Path) -> Option<&'a Line> {
    lines
        .iter()
        .filter(|line| line.point != Path::new("/") && path.starts_with(&line.point))
        .max_by_key(|line| line.point.components().count())
}

/// `\040` and its like (getmntent(3)); a backslash before anything else stands for itself.
fn unescape(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FSTAB: &str = "\
# /etc/fstab
UUID=1111-22 / ext4 defaults 0 1
UUID=\"3333\" /boot ext4 defaults 0 2
  UUID=4444\t/boot/efi/ vfat umask=0077
LABEL=BEK\\040VOLUME /mnt/azure_bek_disk auto defaults,discard,nofail 0 0
UUID=5555 none swap sw 0 0
UUID=6666 /srv btrfs subvol=@srv,noatime
half
";

    fn device_of(path: &str) -> Option<String> {
        holder(&parse(FSTAB), Path::new(path)).map(|line| line.device.clone())
    }

    #[test]
    fn the_deepest_mount_point_holds_a_path() {
        assert_eq!(device_of("/boot/luks/osluksheader"), Some("UUID=3333".to_owned()));
        assert_eq!(device_of("/boot/efi/x"), Some("UUID=4444".to_owned()));
        assert_eq!(device_of("/bootx"), None);
        assert_eq!(device_of("/etc/x"), None);
        assert_eq!(device_of("/mnt/azure_bek_disk/k"), Some("LABEL=BEK VOLUME".to_owned()));
    }

    #[test]
    fn options_have_values() {
        let lines = parse(FSTAB);
        let srv = holder(&lines, Path::new("/srv/x")).unwrap();
        assert_eq!((srv.kind.as_str(), srv.option("subvol")), ("btrfs", Some("@srv")));
        assert_eq!(srv.option("noatime"), None);
        assert_eq!(lines.len(), 5);
    }
}
