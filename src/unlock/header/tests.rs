use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use crate::error::{Error, Kind};
use crate::header::identity::{Identity, Needs, Reencryption};
use crate::unlock::fake::{Case, opened};
use crate::unlock::{Opened, Outcome};
use crate::volume::HeaderSpec;

use super::*;

const NAMED: &str = "/luks/osluksheader:UUID=5f1e";

/// A header of the volume, at `spec`.
pub(crate) fn header(spec: &str, epoch: u64) -> DetachedHeader {
    DetachedHeader {
        spec: HeaderSpec::parse(spec).unwrap(),
        identity: Identity {
            version: 2,
            uuid: "u".to_owned(),
            epoch: Some(epoch),
            requirements: Vec::new(),
            reencryption: Reencryption::None,
            half_damaged: false,
            extent: 16 << 20,
            needs: Needs::default(),
        },
        in_image: false,
        copy: PathBuf::from("/proc/self/fd/3"),
    }
}

fn damaged() -> Kind {
    Kind::HeaderUnusable { path: NAMED.into(), reason: "it is damaged".to_owned() }
}

/// A volume whose header comes as `named` says, with copies of these epochs in the image.
fn case(named: Vec<Result<Option<DetachedHeader>, Kind>>, copies: &[u64]) -> Case {
    let mut case = Case::new();
    case.volume.options.header = HeaderSpec::parse(NAMED);
    case.devices.signature = Ok(Some("ext4".to_owned()));
    case.headers.named = named.into();
    case.headers.copies =
        copies.iter().map(|epoch| header("/boot/luks/osluksheader", *epoch)).collect();
    case
}

/// Where the header came from and why.
fn from(result: Result<Outcome, Error>) -> (String, &'static str) {
    let Opened { detached, .. } = opened(result);
    let (spec, why) = detached.unwrap();
    (spec.to_string(), why.as_str())
}

#[test]
fn key_sources_are_told_where_the_header_can_be_read() {
    let told = |case: Case| {
        let told = std::rc::Rc::clone(&case.told);
        opened(case.run().0);
        let told = told.take().unwrap();
        (told.device, told.header, told.place)
    };
    let own = PathBuf::from("/dev/sdb");
    assert_eq!(told(Case::new()), (own.clone(), own.clone(), "/dev/sdb".to_owned()));
    let copy = PathBuf::from("/proc/self/fd/3");
    let apart = case(vec![Ok(Some(header(NAMED, 1)))], &[]);
    assert_eq!(told(apart), (own, copy, NAMED.to_owned()));
}

#[test]
fn a_header_that_comes_later_than_the_device_is_waited_for() {
    let mut named = vec![Ok(None); 300];
    named.push(Ok(Some(header(NAMED, 1))));
    let (result, events, elapsed) = case(named, &[]).run();
    assert_eq!(from(result), (NAMED.to_owned(), "named"));
    assert_eq!(elapsed, Duration::from_secs(60));
    assert_eq!(events[0], format!("load {NAMED}"));
}

#[test]
fn a_header_that_never_comes_ends_at_the_deadline() {
    let (result, _, elapsed) = case(vec![Ok(None)], &[]).run();
    let text = result.unwrap_err().kind.to_string();
    assert!(text.ends_with(&format!("{NAMED}: its device is not there")), "{text}");
    assert_eq!(elapsed, Duration::from_secs(90));
}

#[test]
fn a_file_system_of_fstab_is_left_to_others_for_a_while() {
    let mut case = case(vec![Ok(Some(header(NAMED, 1)))], &[]);
    case.headers.in_fstab = true;
    let (result, _, elapsed) = case.run();
    assert_eq!(from(result).1, "named");
    assert_eq!(elapsed, MOUNT_PATIENCE);
}

#[test]
fn a_copy_leaves_time_for_the_key() {
    let (result, events, elapsed) = case(vec![Ok(None)], &[1]).run();
    assert_eq!(from(result), ("/boot/luks/osluksheader".to_owned(), "stand-in"));
    assert_eq!((elapsed, events[1].as_str()), (COPY_PATIENCE, "ask key-disk for 80 s"));
    let mut short = case(vec![Ok(None)], &[1]);
    short.timeout = Some(Duration::from_secs(8));
    assert_eq!(short.run().2, Duration::from_secs(4));
}

#[test]
fn a_copy_that_cannot_be_used_shortens_nothing() {
    let mut case = case(vec![Ok(None)], &[1]);
    case.headers.copies[0].identity.reencryption = Reencryption::Between;
    let (result, _, elapsed) = case.run();
    let text = result.unwrap_err().kind.to_string();
    assert!(text.ends_with("is from a reencryption"), "{text}");
    assert_eq!(elapsed, Duration::from_secs(90));
}

#[test]
fn a_damaged_header_is_looked_at_for_two_seconds() {
    let (result, _, elapsed) = case(vec![Err(damaged())], &[]).run();
    assert_eq!((result.unwrap_err().kind, elapsed), (damaged(), SETTLE));
    let (result, _, elapsed) = case(vec![Err(damaged())], &[1]).run();
    assert_eq!(from(result).1, "stand-in");
    assert_eq!(elapsed, SETTLE);
    let (result, _, elapsed) = case(vec![Err(damaged()), Ok(Some(header(NAMED, 1)))], &[]).run();
    assert_eq!(from(result).1, "named");
    assert_eq!(elapsed, LOOK_AGAIN);
}

#[test]
fn a_newer_copy_is_used() {
    let (result, ..) = case(vec![Ok(Some(header(NAMED, 1)))], &[2]).run();
    assert_eq!(from(result), ("/boot/luks/osluksheader".to_owned(), "newer-copy"));
}

#[test]
fn who_may_not_look_is_told_at_once() {
    let refused = Kind::NotPermitted { action: "open devices", reason: "x".to_owned() };
    let (result, _, elapsed) = case(vec![Err(refused.clone())], &[1]).run();
    assert_eq!((result.unwrap_err().kind, elapsed), (refused, Duration::ZERO));
}

/// A line that says header-policy=strict, and what its header's copy is checked with.
fn strict(named: &str, refused: Option<Kind>) -> (Case, Rc<RefCell<Vec<String>>>) {
    let mut case = case(vec![Ok(Some(header(named, 5)))], &[]);
    case.volume.options.header = HeaderSpec::parse(named).filter(|_| named == NAMED);
    case.volume.options.header_policy = HeaderPolicy::Strict;
    case.headers.refused = refused;
    let seen = Rc::clone(&case.headers.seen);
    (case, seen)
}

#[test]
fn a_strict_line_opens_with_the_copy_that_was_checked() {
    for (named, looked) in [
        ("/dev/sdb", &["copy /dev/sdb", "check /dev/sdb"][..]),
        (NAMED, &[&*format!("check {NAMED}")]),
    ] {
        let (case, seen) = strict(named, None);
        let told = Rc::clone(&case.told);
        let (result, events, _) = case.run();
        let opened = opened(result);
        assert_eq!(*seen.borrow(), looked);
        // The same copy goes to libcryptsetup, and to whoever reads tokens.
        assert_eq!(events[0], format!("load {named}"));
        assert_eq!(told.borrow().as_ref().unwrap().header, PathBuf::from("/proc/self/fd/3"));
        assert_eq!(opened.detached.is_some(), named == NAMED);
    }
}

#[test]
fn what_a_strict_line_refuses_is_never_loaded_and_no_key_is_asked_for() {
    for named in ["/dev/sdb", NAMED] {
        let refused = Kind::HeaderRefused { path: named.into(), reason: "cipher_null".to_owned() };
        let (case, _) = strict(named, Some(refused.clone()));
        let (result, events, _) = case.run();
        let error = result.unwrap_err();
        assert_eq!((error.kind, error.others.len()), (refused, 0));
        assert_eq!(events, [] as [&str; 0]);
    }
}

#[test]
fn without_a_policy_nothing_is_checked() {
    let (mut case, seen) = strict(NAMED, Some(damaged()));
    case.volume.options.header_policy = HeaderPolicy::Any;
    opened(case.run().0);
    assert_eq!(*seen.borrow(), [] as [&str; 0]);
}
