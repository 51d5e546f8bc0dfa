use super::*;

const GIB: u64 = 1 << 30;
const BIOS_BOOT: &str = "21686148-6449-6E6F-744E-656564454649";

/// Headers by the partition they are on; `Err` for a damaged one. Counts the looks.
#[derive(Default)]
struct Headers {
    on: Vec<(&'static str, Result<&'static str, ()>)>,
    looks: Vec<PathBuf>,
}

impl Look for Headers {
    fn ade_header(&mut self, partition: &Path) -> Result<Option<AdeHeader>, Kind> {
        self.looks.push(partition.to_owned());
        let found = self.on.iter().find(|(path, _)| Path::new(path) == partition);
        match found.map(|(_, header)| header) {
            None => Ok(None),
            Some(Ok(uuid)) => {
                Ok(Some(AdeHeader { place: ADE_PLACES[0].into(), uuid: (*uuid).to_owned() }))
            }
            Some(Err(())) => Err(Kind::HeaderUnusable {
                path: partition.to_owned(),
                reason: "it is damaged".to_owned(),
            }),
        }
    }
}

fn none() -> Headers {
    Headers::default()
}

fn on(partitions: &[&'static str]) -> Headers {
    Headers { on: partitions.iter().map(|path| (*path, Ok("5f1e"))).collect(), ..none() }
}

fn found(path: &str, holds: &str, size: u64) -> Found {
    let number = path.strip_prefix("/dev/sdc").and_then(|number| number.parse().ok());
    let holds = (!holds.is_empty()).then(|| holds.to_owned());
    Found { path: path.into(), number, holds, size, ..Found::default() }
}

/// A disk with a GPT.
fn disk(partitions: Vec<Found>) -> Layout {
    let device = found("/dev/sdc", "gpt", 64 * GIB);
    Layout { named: "/dev/sdc".into(), device, partitions, ..Layout::default() }
}

/// What was named has no partitions.
fn alone(holds: &str) -> Layout {
    Layout { named: "/dev/sdc".into(), device: found("/dev/sdc", holds, GIB), ..Layout::default() }
}

/// The disk of an encrypted Ubuntu: root, BIOS boot, EFI, /boot.
fn ubuntu() -> Layout {
    let bios = Found { kind: Some(BIOS_BOOT.to_owned()), ..found("/dev/sdc14", "", 4 << 20) };
    disk(vec![
        found("/dev/sdc1", "", 29 * GIB),
        bios,
        found("/dev/sdc15", "vfat", 106 << 20),
        found("/dev/sdc16", "ext4", 913 << 20),
    ])
}

fn header_on(device: &str) -> HeaderSpec {
    HeaderSpec::On { path: ADE_PLACES[0].into(), device: DeviceSpec::Path(device.into()) }
}

fn opened(layout: &Layout, header: Option<&HeaderSpec>, mut look: Headers) -> Target {
    choose(layout, header, &mut look).unwrap()
}

#[track_caller]
fn refused(layout: &Layout, header: Option<&HeaderSpec>, mut look: Headers) -> NoTarget {
    match choose(layout, header, &mut look) {
        Err(Kind::NoTarget(no_target)) => *no_target,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_says_that_it_is_encrypted_is_opened() {
    for (word, format, how) in [
        ("crypto_LUKS", Format::Luks, "LUKS on /dev/sdc"),
        ("BitLocker", Format::BitLocker, "BitLocker on /dev/sdc"),
    ] {
        let target = opened(&alone(word), None, none());
        let device = PathBuf::from("/dev/sdc");
        let how = how.to_owned();
        assert_eq!(target, Target { device, number: None, format, header: None, how });
    }
}

#[test]
fn the_only_encrypted_partition_is_meant() {
    let windows = disk(vec![
        found("/dev/sdc1", "ntfs", 500 << 20),
        found("/dev/sdc2", "BitLocker", 127 * GIB),
        found("/dev/sdc3", "", 16 << 20),
    ]);
    let mut look = on(&["/dev/sdc1"]);
    let target = choose(&windows, None, &mut look).unwrap();
    assert_eq!((target.device.as_path(), target.number), (Path::new("/dev/sdc2"), Some(2)));
    assert_eq!(target.how, "BitLocker on /dev/sdc2");
    assert_eq!(look.looks, [] as [PathBuf; 0], "nothing is mounted without need");
}

#[test]
fn of_several_encrypted_partitions_none_is_guessed() {
    let two = disk(vec![
        found("/dev/sdc1", "crypto_LUKS", 500 * GIB),
        found("/dev/sdc2", "BitLocker", GIB),
    ]);
    let refusal = refused(&two, None, none());
    assert_eq!(refusal.why, Why::Several(Some("/dev/sdc1".into())));
    assert_eq!(
        refusal.listed,
        [
            "/dev/sdc1        500.0 GiB  LUKS, encrypted",
            "/dev/sdc2          1.0 GiB  BitLocker, encrypted"
        ]
    );
}

#[test]
fn an_ade_system_disk_is_known_by_the_header_beside_it() {
    let mut look = on(&["/dev/sdc16"]);
    let target = choose(&ubuntu(), None, &mut look).unwrap();
    assert_eq!(target.device, Path::new("/dev/sdc1"));
    assert_eq!((target.format, target.header), (Format::Headerless, Some(header_on("/dev/sdc16"))));
    assert_eq!(target.how, "/dev/sdc1, with the header /luks/osluksheader on /dev/sdc16");
    assert_eq!(look.looks, [PathBuf::from("/dev/sdc16")], "no EFI partition has it");
}

#[test]
fn an_images_partitions_are_called_by_number() {
    let mut image = ubuntu();
    (image.named, image.is_image) = ("/tmp/os.img".into(), true);
    let target = opened(&image, None, on(&["/dev/sdc16"]));
    let how = "partition 1 of /tmp/os.img, with the header /luks/osluksheader on partition 16 of \
               /tmp/os.img";
    assert_eq!(target.how, how);
    let refusal = refused(&image, None, none());
    assert_eq!(refusal.why, Why::NoHeader);
    assert_eq!(refusal.listed[0], "partition 1       29.0 GiB  nothing known");
    assert_eq!(refusal.listed[1], "partition 14       4.0 MiB  BIOS boot");
}

#[test]
fn without_a_header_an_unknown_partition_is_not_opened() {
    assert_eq!(refused(&ubuntu(), None, none()).why, Why::NoHeader);
    let mut look = Headers { on: vec![("/dev/sdc16", Err(()))], ..none() };
    let kind = choose(&ubuntu(), None, &mut look).unwrap_err();
    assert!(matches!(kind, Kind::HeaderUnusable { .. }), "a damaged one is the news: {kind}");
}

#[test]
fn a_header_that_is_whole_counts_more_than_a_damaged_one() {
    let mut layout = ubuntu();
    layout.partitions.push(found("/dev/sdc17", "xfs", GIB));
    let on = vec![("/dev/sdc16", Err(())), ("/dev/sdc17", Ok("5f1e"))];
    let target = opened(&layout, None, Headers { on, ..none() });
    assert_eq!(target.header, Some(header_on("/dev/sdc17")));
}

#[test]
fn headers_of_two_volumes_are_not_chosen_between() {
    let mut layout = ubuntu();
    layout.partitions.push(found("/dev/sdc17", "xfs", GIB));
    let both = |other| vec![("/dev/sdc16", Ok("5f1e")), ("/dev/sdc17", Ok(other))];
    let refusal = refused(&layout, None, Headers { on: both("77aa"), ..none() });
    let first = "/luks/osluksheader:/dev/sdc16".to_owned();
    assert_eq!(refusal.why, Why::SeveralHeaders(Some(first)));
    let same = opened(&layout, None, Headers { on: both("5f1e"), ..none() });
    assert_eq!(same.header, Some(header_on("/dev/sdc16")));
}

#[test]
fn of_several_unknown_partitions_the_one_that_is_much_the_largest_is_taken() {
    for (second, taken) in [(29 * GIB, false), (4 * GIB, false), (3 * GIB, true)] {
        let mut layout = ubuntu();
        layout.partitions.push(found("/dev/sdc17", "", second));
        match choose(&layout, None, &mut on(&["/dev/sdc16"])) {
            Ok(target) => assert!(taken && target.device == Path::new("/dev/sdc1")),
            Err(kind) => {
                assert!(!taken && kind.to_string().contains("several partitions"), "{kind}");
            }
        }
    }
}

#[test]
fn a_partition_by_itself_has_its_header_beside_it() {
    let mut layout = alone("");
    layout.named = "/dev/sdc1".into();
    layout.device = found("/dev/sdc1", "", GIB);
    layout.siblings = vec![found("/dev/sdc2", "ext4", GIB)];
    let target = opened(&layout, None, on(&["/dev/sdc2"]));
    assert_eq!(target.header, Some(header_on("/dev/sdc2")));
    assert_eq!(refused(&layout, None, none()).why, Why::NoHeader);
    // It is not encrypted, whatever is beside it.
    layout.device.holds = Some("ext4".to_owned());
    assert_eq!(refused(&layout, None, on(&["/dev/sdc2"])).why, Why::Plain("ext4".to_owned()));
}

#[test]
fn what_is_not_encrypted_is_called_what_it_is() {
    for word in ["ext4", "LVM2_member", "swap", "gpt"] {
        assert_eq!(refused(&alone(word), None, none()).why, Why::Plain(word.to_owned()));
    }
    assert_eq!(refused(&alone(""), None, none()).why, Why::Unknown);
    let plain = disk(vec![found("/dev/sdc1", "ext4", GIB), found("/dev/sdc2", "swap", GIB)]);
    let refusal = refused(&plain, None, on(&["/dev/sdc1"]));
    assert_eq!((refusal.why, refusal.listed.len()), (Why::NoneEncrypted, 2));
}

#[test]
fn a_header_that_was_named_is_used() {
    let header = HeaderSpec::Path("/root/osluksheader".into());
    let device = |layout: &Layout| opened(layout, Some(&header), none()).device;
    assert_eq!(device(&alone("")), Path::new("/dev/sdc"));
    // What is there may be left over from before it was encrypted.
    assert_eq!(device(&alone("ext4")), Path::new("/dev/sdc"));
    assert_eq!(device(&ubuntu()), Path::new("/dev/sdc1"));
    let damaged = opened(&alone("crypto_LUKS"), Some(&header), none());
    assert_eq!((damaged.format, damaged.header.as_ref()), (Format::Luks, Some(&header)));
    assert_eq!(damaged.how, "LUKS on /dev/sdc, with the header /root/osluksheader");
    let mut both = ubuntu();
    both.partitions.push(found("/dev/sdc17", "crypto_LUKS", GIB));
    assert_eq!(device(&both), Path::new("/dev/sdc1"));
}

#[test]
fn bitlocker_has_no_header_of_its_own() {
    let header = HeaderSpec::Path("/root/osluksheader".into());
    let refusal = refused(&alone("BitLocker"), Some(&header), none());
    assert_eq!(refusal.why, Why::HeaderOfBitLocker);
}
