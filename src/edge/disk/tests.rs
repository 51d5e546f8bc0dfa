use super::*;
use crate::edge::image::Image;

fn refusal(path: &Path) -> Kind {
    RescueDisk::open(path, false).map(|disk| disk.named().to_owned()).unwrap_err()
}

#[test]
fn what_is_not_there_is_missing_and_nothing_is_said_of_waiting() {
    let kind = refusal(Path::new("/nonexistent/disk.img"));
    assert_eq!(kind.to_string(), "/nonexistent/disk.img is not there");
    assert_eq!(kind.exit_status(), 4);
}

#[test]
fn what_is_no_disk_is_named_without_its_links() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    assert_eq!(refusal(&link).to_string(), "/dev/null is neither a disk nor an image of one");
    assert!(
        refusal(directory.path()).to_string().ends_with(" is neither a disk nor an image of one")
    );
}

#[test]
fn an_image_that_has_to_be_converted_gets_no_loop_device() {
    let image = Image::empty(64);
    let mut bytes = image.bytes();
    bytes[..8].copy_from_slice(b"vhdxfile");
    std::fs::write(&image.path, bytes).unwrap();
    assert!(refusal(&image.path).to_string().contains(" is a VHDX image"));
}
