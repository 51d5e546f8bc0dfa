use super::*;
use crate::edge::header::SystemHeaders;
use crate::edge::image::Image;
use crate::header::Headers;
use crate::keyslots::Keyslots as _;

/// The one unit test that calls libcryptsetup: its binding takes calls of one thread only.
#[test]
fn a_header_is_used_as_it_was_when_it_was_looked_at() {
    a_keyslot_that_would_take_hours_is_not_tried();
    a_copy_of_the_header_is_used_whatever_becomes_of_the_device();
    another_key_in_a_keyslot_has_another_salt();
}

fn another_key_in_a_keyslot_has_another_salt() {
    for kind in ["luks1", "luks2"] {
        let image = formatted(kind, &Image::noise(1, 1));
        let mut header = keyslots::ChangedHeader::open(&image.path, None).unwrap();
        let [old, new] = [Image::noise(1, 1).bytes(), b"another".to_vec()].map(Secret::new);
        header.add(1, &old, &new).unwrap();
        let [first, second] = [0, 1].map(|slot| header.salt(slot).unwrap());
        assert!(first.as_ref().is_some_and(|salt| salt.len() >= 43), "{kind}: {first:?}");
        assert!(second.is_some() && first != second, "{kind}");
        // Nobody else's change of the header is one of the keyslot.
        assert_eq!(header.salt(0).unwrap(), first);
        header.remove(0).unwrap();
        assert_eq!(header.salt(0).unwrap(), None, "{kind}");
        header.add(0, &new, &old).unwrap();
        assert_ne!(header.salt(0).unwrap(), first, "{kind}");
    }
}

fn formatted(kind: &str, key: &Image) -> Image {
    let pbkdf = if kind == "luks2" { &["--pbkdf", "pbkdf2"][..] } else { &[] };
    let cheap = ["--pbkdf-force-iterations", "1000", "--key-file", key.path.to_str().unwrap()];
    let words = [&["luksFormat", "-q", "--type", kind][..], pbkdf, &cheap].concat();
    Image::empty(24 * 1024).made_by("cryptsetup", &words)
}

fn a_keyslot_that_would_take_hours_is_not_tried() {
    let image = formatted("luks1", &Image::noise(1, 1));
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

fn a_copy_of_the_header_is_used_whatever_becomes_of_the_device() {
    let key = Image::noise(1, 1);
    for kind in ["luks1", "luks2"] {
        let image = formatted(kind, &key);
        let mut headers = SystemHeaders::new(false);
        let copied = headers.inside(&image.path).unwrap();
        std::fs::write(&image.path, vec![0; 24 << 20]).unwrap();
        let mut loaded = Libcryptsetup::new().load(&image.path, Some(&copied)).unwrap();
        // It is the device's own all the same.
        assert!(!loaded.header().detached);
        let options = Options::default();
        let opened = loaded.test(&Secret::new(key.bytes()), &options);
        assert_eq!(opened, Ok(0), "{kind}");
        let opened = loaded.test(&Secret::new(b"another".to_vec()), &options);
        assert_eq!(opened, Err(OpenFailure::WrongKey), "{kind}");
    }
}
