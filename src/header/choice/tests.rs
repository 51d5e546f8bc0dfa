use super::*;
use crate::header::identity::{Identity, Needs};

fn header(spec: &str, epoch: u64) -> DetachedHeader {
    DetachedHeader {
        spec: HeaderSpec::parse(spec).unwrap(),
        identity: Identity {
            version: 2,
            uuid: "5f1e".to_owned(),
            epoch: Some(epoch),
            requirements: Vec::new(),
            reencryption: Reencryption::None,
            half_damaged: false,
            extent: 16 << 20,
            needs: Needs::default(),
        },
        in_image: false,
        copy: "/proc/self/fd/3".into(),
    }
}

fn named() -> DetachedHeader {
    header("/luks/osluksheader:UUID=1", 5)
}

fn copy(epoch: u64) -> DetachedHeader {
    header("/boot/luks/osluksheader", epoch)
}

fn second(epoch: u64) -> DetachedHeader {
    header("/osluksheader", epoch)
}

fn missing() -> Kind {
    let reason = "no such file or device".to_owned();
    Kind::HeaderUnusable { path: "/luks/osluksheader:UUID=1".into(), reason }
}

/// The chosen one's path, why, and what is said.
fn chosen(
    named: Result<DetachedHeader, Kind>,
    copies: &[DetachedHeader],
) -> (String, &'static str, Vec<String>) {
    let chosen = choose(named, copies.to_vec()).unwrap();
    let notes = chosen.notes.iter().map(|note| {
        let level = if note.fact.is_warning() { "warning: " } else { "" };
        format!("{level}{note}")
    });
    (chosen.header.spec.to_string(), chosen.why.as_str(), notes.collect())
}

#[test]
fn the_named_one_is_preferred() {
    let expected = ("/luks/osluksheader:UUID=1".to_owned(), "named");
    for copies in [&[][..], &[copy(5)], &[copy(5), second(5)]] {
        assert_eq!(chosen(Ok(named()), copies), (expected.0.clone(), expected.1, vec![]));
    }
    let (path, why, notes) = chosen(Ok(named()), &[copy(4)]);
    assert_eq!((path, why), expected);
    let words = "header copy /boot/luks/osluksheader is out of date; rebuild the initramfs";
    assert_eq!(notes, [words]);
}

#[test]
fn the_newest_copy_is_used_and_said() {
    let (path, why, notes) = chosen(Ok(named()), &[copy(7), second(9), copy(8)]);
    assert_eq!((path.as_str(), why), ("/osluksheader", "newer-copy"));
    let words = "warning: using header copy /osluksheader: its epoch is 9, that of the header \
                 named in bektab is 5";
    assert_eq!(notes, [words]);
}

#[test]
fn another_volumes_header_is_never_used() {
    let mut other = copy(9);
    other.identity.uuid = "77aa".to_owned();
    let (path, why, notes) = chosen(Ok(named()), &[other.clone()]);
    assert_eq!((path.as_str(), why), ("/luks/osluksheader:UUID=1", "named"));
    assert!(notes[0].ends_with("is another volume's (UUID 77aa); not used"), "{notes:?}");
    // Without the named one nobody knows which of the two it would have been.
    let (path, why, notes) = chosen(Err(missing()), &[copy(1), other]);
    assert_eq!((path.as_str(), why), ("/boot/luks/osluksheader", "stand-in"));
    assert!(notes[0].contains("another volume's"), "{notes:?}");
}

#[test]
fn a_copy_of_another_state_of_reencryption_is_never_used() {
    let reencrypting = |mut header: DetachedHeader| {
        header.identity.requirements = vec!["online-reencrypt-v2".to_owned()];
        header.identity.reencryption = Reencryption::Between;
        header
    };
    let named_by_bektab = "/luks/osluksheader:UUID=1";
    for (named, copy) in [
        (named(), reencrypting(copy(9))),
        (reencrypting(named()), copy(9)),
        (reencrypting(named()), reencrypting(copy(9))),
    ] {
        let (path, _, notes) = chosen(Ok(named), &[copy]);
        assert_eq!(path, named_by_bektab);
        assert!(notes[0].ends_with("differs by a reencryption; not used"), "{notes:?}");
    }
    let error = choose(Err(missing()), vec![reencrypting(copy(9))]).unwrap_err();
    assert!(error.to_string().ends_with("is from a reencryption"), "{error}");
    let (path, ..) = chosen(Err(missing()), &[reencrypting(copy(9)), second(3)]);
    assert_eq!(path, "/osluksheader");
}

#[test]
fn a_copy_stands_in_for_what_cannot_be_read() {
    let (path, why, notes) = chosen(Err(missing()), &[copy(3), second(4), copy(2)]);
    assert_eq!((path.as_str(), why), ("/osluksheader", "stand-in"));
    assert_eq!(notes.len(), 1);
    assert!(notes[0].starts_with("warning: using header copy /osluksheader: "), "{notes:?}");
    assert!(notes[0].ends_with(": no such file or device"), "{notes:?}");
    assert_eq!(choose(Err(missing()), vec![]).unwrap_err(), missing());
}

#[test]
fn luks1_has_no_epoch_to_compare() {
    let old = |mut header: DetachedHeader| {
        header.identity.version = 1;
        header.identity.epoch = None;
        header
    };
    let (path, _, notes) = chosen(Ok(old(named())), &[old(copy(9))]);
    assert_eq!((path.as_str(), notes.len()), ("/luks/osluksheader:UUID=1", 0));
    // The same UUID in another version is another header all the same.
    assert!(chosen(Ok(named()), &[old(copy(9))]).2[0].contains("another volume's"));
}

#[test]
fn a_damaged_half_is_worth_a_warning() {
    let mut half = named();
    half.identity.half_damaged = true;
    let notes = chosen(Ok(half), &[]).2;
    assert!(notes[0].starts_with("warning: one of the two copies inside"), "{notes:?}");
}

/// `header=/boot/luks/osluksheader` without a word about its device names the copy itself.
#[test]
fn a_copy_that_is_named_is_no_better_in_a_reencryption() {
    let in_image = |mut header: DetachedHeader| {
        header.in_image = true;
        header
    };
    assert_eq!(chosen(Ok(in_image(copy(5))), &[]).1, "named");
    let mut reencrypting = in_image(copy(5));
    reencrypting.identity.reencryption = Reencryption::Between;
    // Nor is the copy from before it, which knows one of the two keys.
    let error = choose(Ok(reencrypting), vec![in_image(second(4))]).unwrap_err();
    let words = "/boot/luks/osluksheader: it is a copy in the initramfs, from a reencryption";
    assert!(error.to_string().ends_with(words), "{error}");
}
