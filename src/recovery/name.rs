//! What a disk of another machine is opened as, where nobody said it.

use std::path::Path;

use crate::volume::VolumeName;

/// Behind the device's own name, so that it is nobody's in bektab or crypttab.
const SUFFIX: &str = "-recovered";
/// device-mapper takes 127 bytes; a number may follow.
const STEM_MAX: usize = 100;

/// A name for what is on `device` that is not `taken`: `sdc2-recovered`, `sdc2-recovered2`.
///
/// `None` when a thousand of them are taken.
pub fn unused(device: &Path, taken: impl Fn(&VolumeName) -> bool) -> Option<VolumeName> {
    let file = device.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' };
    let stem: String = file.chars().map(plain).take(STEM_MAX).collect();
    (1..=1000).find_map(|number| {
        let number = if number == 1 { String::new() } else { number.to_string() };
        let name = VolumeName::parse(&format!("{stem}{SUFFIX}{number}")).ok()?;
        (!taken(&name)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(device: &str, taken: &[&str]) -> String {
        unused(Path::new(device), |name| taken.contains(&name.as_str())).unwrap().to_string()
    }

    #[test]
    fn the_device_s_name_is_in_it() {
        for (device, expected) in [
            ("/dev/sdc2", "sdc2-recovered"),
            ("/dev/nvme0n1p1", "nvme0n1p1-recovered"),
            ("/srv/disk of web 01.vhd", "disk_of_web_01-recovered"),
            ("/srv/\u{202e}.img", "_-recovered"),
            ("/", "-recovered"),
        ] {
            assert_eq!(name(device, &[]), expected);
        }
        assert_eq!(name(&format!("/{}", "x".repeat(300)), &[]).len(), 110);
    }

    #[test]
    fn what_is_taken_is_left_alone() {
        assert_eq!(name("/dev/sdc2", &["sdc2-recovered"]), "sdc2-recovered2");
        assert_eq!(name("/dev/sdc2", &["sdc2-recovered", "sdc2-recovered2"]), "sdc2-recovered3");
        assert_eq!(unused(Path::new("/dev/sdc2"), |_| true), None);
    }
}
