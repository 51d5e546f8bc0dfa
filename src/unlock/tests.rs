use super::*;
use crate::azure::id::SecretId;
use crate::mapping::Format;
use crate::unlock::fake::{Case, key, opened};
use crate::unlock::verify::CLOSE_PATIENCE;
use crate::volume::{Content, Encryption, KeySpec, Options, VolumeName};

#[test]
fn the_right_key_opens() {
    let (result, events, _) = Case::new().run();
    let opened = opened(result);
    assert_eq!((opened.source, opened.trimmed), (SourceName::KeyDisk, false));
    assert_eq!(events, ["ask key-disk for 90 s", "try \"right\""]);
}

#[test]
fn a_key_for_somebody_else_is_found_and_its_content_left_to_them() {
    let (result, events, _) = detached().find_key();
    let found = result.unwrap();
    assert_eq!((found.source, found.header.detached), (SourceName::KeyDisk, true));
    let load = "load /boot/luks/osluksheader";
    assert_eq!(events, [load, "ask key-disk for 90 s", "try \"right\""]);
}

#[test]
fn no_key_is_handed_over_that_no_header_confirms() {
    let mut wrong = Case::new();
    wrong.disk = vec![Ok(vec![key("wrong")])];
    assert_eq!(wrong.find_key().0.unwrap_err().kind.name(), "key-rejected");
    let mut unformatted = Case::new();
    unformatted.formatted = false;
    let (result, events, _) = unformatted.find_key();
    assert_eq!(result.unwrap_err().kind.name(), "header-unusable");
    assert!(events.is_empty(), "{events:?}");
}

#[test]
fn a_device_is_waited_for() {
    let mut case = Case::new();
    case.devices.device_after = 10;
    let (result, _, elapsed) = case.run();
    opened(result);
    assert_eq!(elapsed, Duration::from_secs(2));
}

#[test]
fn a_device_that_never_comes_ends_at_the_deadline() {
    let mut case = Case::new();
    case.devices.device_after = u32::MAX;
    let (result, events, elapsed) = case.run();
    assert_eq!(result.unwrap_err().kind.name(), "volume-missing");
    assert_eq!((events.len(), elapsed), (0, Duration::from_secs(90)));
}

#[test]
fn who_is_far_away_is_prepared_while_the_header_of_a_device_that_is_there_is_read() {
    let secret = SecretId::parse("https://contoso.vault.azure.net/secrets/bek").unwrap();
    let run = |device_after| {
        let mut case = detached();
        case.volume.key = KeySpec::Secret(secret.clone());
        case.devices.device_after = device_after;
        case.run().1
    };
    let events = run(3);
    assert_eq!(events[0], "prepare for contoso.vault.azure.net");
    assert_eq!(events[1], "load /boot/luks/osluksheader");
    assert!(run(u32::MAX).is_empty());
}

#[test]
fn a_device_whose_header_has_another_uuid_is_not_opened() {
    let run = |wanted: &str| {
        let mut case = Case::new();
        case.volume.device = DeviceSpec::Uuid(wanted.to_owned());
        case.run()
    };
    let (result, events, _) = run("5f1e");
    let text = result.unwrap_err().kind.to_string();
    assert!(text.ends_with(": its UUID is u"), "{text}");
    assert!(events.is_empty());
    opened(run("U").0);
}

fn mapping(device: &str) -> Option<Mapping> {
    Some(Mapping {
        name: VolumeName::parse("data1").unwrap(),
        devices: vec![PathBuf::from(device)],
        kind: Some("LUKS2".to_owned()),
        uuid: Some("0123456789abcdef0123456789abcdef".to_owned()),
        read_only: false,
    })
}

#[test]
fn open_on_the_same_device_is_success() {
    let mut case = Case::new();
    case.mapping = mapping("/dev/sdb");
    let (result, events, _) = case.run();
    assert_eq!(result.unwrap(), Outcome::AlreadyOpen { device: PathBuf::from("/dev/sdb") });
    assert!(events.is_empty());
}

#[test]
fn open_is_recognised_by_luks_uuid_when_the_device_is_hidden() {
    let mut case = Case::new();
    case.volume.device = DeviceSpec::Uuid("01234567-89AB-cdef-0123-456789abcdef".to_owned());
    case.devices.device_after = u32::MAX;
    case.mapping = mapping("/dev/sdb");
    assert!(matches!(case.run().0, Ok(Outcome::AlreadyOpen { .. })));
}

#[test]
fn open_on_another_device_is_a_conflict() {
    let mut case = Case::new();
    case.mapping = mapping("/dev/sdz");
    let error = case.run().0.unwrap_err();
    assert_eq!(error.kind.exit_status(), crate::error::exit::IN_USE);
    assert_eq!(error.kind.to_string(), "/dev/mapper/data1 already maps /dev/sdz");
}

#[test]
fn what_others_opened_meanwhile_needs_nothing_of_ours() {
    let run = |device: &str, change: fn(&mut Case)| {
        let mut case = Case::new();
        (case.mapping, case.mapping_after) = (mapping(device), 1);
        change(&mut case);
        case.run().0
    };
    let no_key = |case: &mut Case| case.disk = vec![Ok(vec![key("wrong")])];
    let no_header = |case: &mut Case| case.formatted = false;
    for change in [no_key, no_header] {
        let device = PathBuf::from("/dev/sdb");
        assert_eq!(run("/dev/sdb", change), Ok(Outcome::AlreadyOpen { device }));
    }
    assert_eq!(run("/dev/sdz", no_key).unwrap_err().kind.name(), "key-rejected");
    assert_eq!(run("/dev/sdz", no_header).unwrap_err().kind.name(), "header-unusable");
}

/// Another run took the name (or the device with it) between the first look and activation.
fn raced(device: &str, kind: Kind) -> Result<Outcome, Error> {
    let mut case = Case::new();
    (case.mapping, case.mapping_after) = (mapping(device), 2);
    case.broken = Some(kind);
    case.run().0
}

#[test]
fn two_runs_at_once_are_both_a_success() {
    let device = PathBuf::from("/dev/sdb");
    let in_use = Kind::NameInUse {
        name: VolumeName::parse("data1").unwrap(),
        device: "another device".to_owned(),
    };
    let busy = Kind::VolumeBusy { holders: Vec::new() };
    for kind in [in_use.clone(), busy] {
        assert_eq!(raced("/dev/sdb", kind), Ok(Outcome::AlreadyOpen { device: device.clone() }));
    }
    let error = raced("/dev/sdz", in_use).unwrap_err();
    assert_eq!(error.kind.to_string(), "/dev/mapper/data1 already maps /dev/sdz");
}

#[test]
fn a_device_that_is_busy_otherwise_stays_an_error() {
    let mut case = Case::new();
    let busy = Kind::VolumeBusy { holders: Vec::new() };
    case.broken = Some(busy.clone());
    let (result, _, elapsed) = case.run();
    assert_eq!(result.unwrap_err().kind, busy);
    assert_eq!(elapsed, Duration::from_secs(1));
}

#[test]
fn what_a_killed_run_left_open_is_looked_at() {
    let run = |held: Option<&str>| {
        let mut case = detached();
        case.mapping = mapping("/dev/sdb");
        case.devices.signature = Ok(held.map(str::to_owned));
        case.run()
    };
    let (result, events, _) = run(None);
    assert_eq!(result.unwrap_err().kind, Kind::ContentUnrecognized);
    assert_eq!(events, ["close data1"]);
    assert!(matches!(run(Some("LVM2_member")).0, Ok(Outcome::AlreadyOpen { .. })));
}

fn bitlocker() -> Case {
    let mut case = Case::new();
    case.format = Format::Bitlk;
    case.devices.signature = Ok(Some("ntfs".to_owned()));
    case
}

#[test]
fn bitlocker_opens_without_keyslots() {
    let (result, events, _) = bitlocker().run();
    let opened = opened(result);
    assert_eq!((opened.header.format, opened.keyslot), (Format::Bitlk, 0));
    assert_eq!(events, ["ask key-disk for 90 s", "try \"right\""]);
}

#[test]
fn a_wrong_key_of_bitlocker_is_told_of_its_protectors() {
    let said = |keys: &[&str]| {
        let mut case = bitlocker();
        case.disk = vec![Ok(keys.iter().map(|text| key(text)).collect())];
        case.run().0.unwrap_err().kind.to_string()
    };
    assert!(
        said(&["a"]).ends_with("\"a\" fits none of the volume's protectors"),
        "{}",
        said(&["a"])
    );
    let several = said(&["a", "b"]);
    assert!(several.starts_with("none of the 2 keys"), "{several}");
    assert!(several.ends_with(" fits one of the volume's protectors"), "{several}");
}

#[test]
fn garbage_of_bitlocker_is_closed_again_and_that_of_luks_is_proven() {
    let run = |format: Format, kind: Option<&str>, content: Content| {
        let mut case = bitlocker();
        (case.format, case.devices.signature) = (format, Ok(None));
        case.volume.options.content = content;
        case.mapping = kind
            .and_then(|kind| Some(Mapping { kind: Some(kind.to_owned()), ..mapping("/dev/sdb")? }));
        let (result, events, _) = case.run();
        (result.map_err(|error| error.kind), events)
    };
    for open_before in [None, Some("BITLK")] {
        let (result, events) = run(Format::Bitlk, open_before, Content::Filesystem);
        assert_eq!(result, Err(Kind::ContentUnrecognized));
        assert_eq!(events.last().unwrap(), "close data1");
        assert!(run(Format::Bitlk, open_before, Content::Any).0.is_ok());
    }
    for open_before in [None, Some("LUKS2")] {
        assert!(run(Format::Luks2, open_before, Content::Filesystem).0.is_ok());
    }
}

#[test]
fn what_the_line_says_the_device_has_to_be() {
    let run = |format, set: fn(&mut Options)| {
        let mut case = bitlocker();
        case.format = format;
        set(&mut case.volume.options);
        let (result, events, _) = case.run();
        result.map_err(|error| (error.kind.to_string(), events.len()))
    };
    let bitlk: fn(&mut Options) = |o| o.encryption = Some(Encryption::Bitlk);
    let luks: fn(&mut Options) = |o| o.encryption = Some(Encryption::Luks);
    let key_slot: fn(&mut Options) = |o| o.key_slot = Some(0);
    for (format, set) in [
        (Format::Bitlk, bitlk),
        (Format::Luks1, luks),
        (Format::Luks2, luks),
        (Format::Luks2, key_slot),
    ] {
        assert!(run(format, set).is_ok(), "{format}");
    }
    for (format, set, words) in [
        (Format::Bitlk, luks, "it is BitLocker, and its line says luks"),
        (Format::Bitlk, key_slot, "it is BitLocker, and its line says key-slot="),
        (Format::Luks1, bitlk, "it is LUKS, and its line says bitlk"),
        (Format::Luks2, bitlk, "it is LUKS, and its line says bitlk"),
    ] {
        let (text, asked) = run(format, set).unwrap_err();
        assert!(text == format!("no usable header in /dev/sdb: {words}") && asked == 0, "{text}");
    }
}

fn detached() -> Case {
    let mut case = Case::new();
    case.volume.options.header = HeaderSpec::parse("/boot/luks/osluksheader");
    let found = header::tests::header("/boot/luks/osluksheader", 1);
    case.headers.named = [Ok(Some(found))].into();
    case
}

#[test]
fn a_wrong_mapping_that_udev_looks_at_is_closed_a_moment_later() {
    let mut case = detached();
    case.busy = 3;
    let (result, events, elapsed) = case.run();
    assert_eq!(result.unwrap_err().kind, Kind::ContentUnrecognized);
    assert_eq!(events.iter().filter(|event| *event == "close data1").count(), 4);
    assert_eq!(elapsed, 3 * LOOK_AGAIN);
    let mut case = detached();
    case.busy = u32::MAX;
    let (result, _, elapsed) = case.run();
    assert_eq!(result.unwrap_err().kind.name(), "volume-busy");
    assert_eq!(elapsed, CLOSE_PATIENCE);
}

#[test]
fn garbage_behind_a_detached_header_is_closed_again() {
    let (result, events, _) = detached().run();
    assert_eq!(result.unwrap_err().kind, Kind::ContentUnrecognized);
    assert_eq!(events.last().unwrap(), "close data1");
}

#[test]
fn content_that_cannot_be_read_is_not_trusted() {
    let mut case = detached();
    let broken = Kind::Internal { call: "probing", reason: "I/O error".to_owned() };
    case.devices.signature = Err(broken.clone());
    let (result, events, _) = case.run();
    assert_eq!(result.unwrap_err().kind, broken);
    assert_eq!(events.last().unwrap(), "close data1");
}

#[test]
fn known_content_and_content_any_stay_open() {
    let mut known = detached();
    known.devices.signature = Ok(Some("ext4".to_owned()));
    opened(known.run().0);
    let mut any = detached();
    any.volume.options.content = Content::Any;
    opened(any.run().0);
}

#[test]
fn a_new_resource_disk_is_no_error_and_any_other_unformatted_disk_is() {
    let run = |name: &str, held: Option<&str>| {
        let mut case = Case::new();
        case.volume.name = VolumeName::parse(name).unwrap();
        case.formatted = false;
        case.devices.signature = Ok(held.map(str::to_owned));
        case.run().0
    };
    let device = PathBuf::from("/dev/sdb");
    for held in [None, Some("ntfs"), Some("dos")] {
        let outcome = run("resourceencrypt", held).unwrap();
        assert_eq!(outcome, Outcome::NewResourceDisk { device: device.clone() });
    }
    // libblkid sees what libcryptsetup cannot read: damaged, not new.
    for held in ["crypto_LUKS", "BitLocker"] {
        let error = run("resourceencrypt", Some(held)).unwrap_err();
        assert_eq!(error.kind.name(), "header-unusable");
    }
    assert_eq!(run("data1", Some("ntfs")).unwrap_err().kind.name(), "header-unusable");
}
