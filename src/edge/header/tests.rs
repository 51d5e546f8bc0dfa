use super::*;
use crate::edge::image::Image;

fn luks(kib: u64) -> Image {
    let key = Image::noise(1, 1);
    let cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file"];
    let format = ["luksFormat", "-q", "--type", "luks2"];
    let key = [key.path.to_str().unwrap()];
    Image::empty(kib).made_by("cryptsetup", &[&format[..], &cheap, &key].concat())
}

fn at(path: &Path) -> HeaderSpec {
    HeaderSpec::Path(path.to_owned())
}

fn refusal(spec: &HeaderSpec) -> String {
    SystemHeaders::new(false).read(spec, true).unwrap_err().to_string()
}

#[test]
fn a_header_is_read_into_memory() {
    let image = luks(32 * 1024);
    let mut headers = SystemHeaders::new(false);
    let header = headers.read(&at(&image.path), false).unwrap().unwrap();
    assert_eq!((header.identity.version, header.identity.extent), (2, 16 << 20));
    // What happens to the file now is nothing to the copy.
    let bytes = image.bytes();
    std::fs::write(&image.path, b"").unwrap();
    let copy = std::fs::read(&header.copy).unwrap();
    assert!(copy == bytes[..16 << 20]);
}

#[test]
fn the_header_inside_a_device_is_checked_in_a_copy() {
    let image = luks(24 * 1024);
    let mut headers = SystemHeaders::new(false);
    let header = headers.inside(&image.path).unwrap();
    assert!(!header.is_apart_from(&image.path) && !header.in_image);
    headers.check(&header, &image.path).unwrap();
    // Another header takes its place, and the device becomes too small for the data.
    let bytes = vec![0; 16 << 20];
    std::fs::write(&image.path, bytes).unwrap();
    let kind = headers.check(&header, &image.path).unwrap_err();
    assert!(kind.to_string().ends_with("byte 16777216, behind the device's end"), "{kind}");
    let kind = headers.inside(&image.path).unwrap_err();
    assert!(kind.to_string().ends_with(": it is not LUKS, or damaged"), "{kind}");
}

#[test]
fn a_header_that_is_apart_from_its_device_is_checked_with_it() {
    let (image, data) = (luks(24 * 1024), Image::empty(64));
    let mut headers = SystemHeaders::new(false);
    let header = headers.read(&at(&image.path), false).unwrap().unwrap();
    let kind = headers.check(&header, &data.path).unwrap_err();
    assert_eq!((kind.name(), kind.exit_status()), ("header-refused", 76));
}

#[test]
fn what_is_not_there_may_come() {
    let mut headers = SystemHeaders::new(true);
    for spec in ["/nonexistent/osluksheader", "/x:UUID=5f1e0f00-0000-4000-8000-000000000000"] {
        assert_eq!(headers.read(&HeaderSpec::parse(spec).unwrap(), false), Ok(None));
    }
    assert_eq!(headers.copies(&HeaderSpec::parse("/hdr/data1:UUID=5f1e").unwrap()), []);
}

#[test]
fn what_is_no_header_says_what_is_wrong() {
    assert!(refusal(&at(&Image::noise(64, 1).path)).ends_with(": it is not LUKS, or damaged"));
    let image = luks(20 * 1024);
    let mut bytes = image.bytes();
    bytes[5000] ^= 1;
    bytes[(16 << 10) + 5000] ^= 1;
    std::fs::write(&image.path, bytes).unwrap();
    assert!(refusal(&at(&image.path)).ends_with(": it is damaged: its checksum is wrong"));
}

/// mount(2) takes no image file.
#[test]
fn a_disk_that_cannot_be_mounted_says_why() {
    let on = |image: &Image| HeaderSpec::On {
        path: "/luks/osluksheader".into(),
        device: DeviceSpec::Path(image.path.clone()),
    };
    let words = refusal(&on(&Image::empty(64)));
    assert!(words.ends_with(" holds no file system"), "{words}");
    let swap = Image::empty(64).made_by("mkswap", &[]);
    let words = refusal(&on(&swap));
    assert!(words.ends_with(" holds swap, which is not mounted for it"), "{words}");
    let ext4 = Image::empty(2048).made_by("mke2fs", &["-q", "-F", "-t", "ext4"]);
    let words = refusal(&on(&ext4));
    assert!(words.contains("cannot mount its disk as ext4: "), "{words}");
}
