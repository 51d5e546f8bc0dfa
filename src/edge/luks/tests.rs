use super::*;
use crate::edge::image::Image;

/// The one unit test that calls libcryptsetup: its binding takes calls of one thread only.
#[test]
fn a_keyslot_that_would_take_hours_is_not_tried() {
    let key = Image::noise(1, 1);
    let cheap = ["--pbkdf-force-iterations", "1000", "--key-file", key.path.to_str().unwrap()];
    let image = Image::empty(4 * 1024)
        .made_by("cryptsetup", &[&["luksFormat", "-q", "--type", "luks1"][..], &cheap].concat());
    let mut bytes = image.bytes();
    // LUKS1 On-Disk Format, version 1.2.3: keyslots begin at 208, with a state and iterations.
    bytes[212..216].copy_from_slice(&u32::MAX.to_be_bytes());
    std::fs::write(&image.path, bytes).unwrap();
    let mut loaded = Libcryptsetup::new().load(&image.path, None).unwrap();
    let name = VolumeName::parse("never").unwrap();
    let failure = loaded.open(&name, &Secret::new(b"x".to_vec()), &Options::default());
    let Err(OpenFailure::Other(kind)) = failure else { panic!("{failure:?}") };
    assert!(kind.to_string().ends_with("keyslot 0 asks for 4294967295 iterations"), "{kind}");
}
