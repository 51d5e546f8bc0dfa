use super::fake::{DEAD, Death, Parts, kek, plan, salt, wrapped as wrapped_key};
use super::plan::Wrap;
use super::*;
use crate::azure::id::KeyName;
use crate::deadline::VirtualClock;
use crate::volume::KekAlgorithm;

/// One run of the program on `plan`: with the keys of whoever made it, or of whoever found it.
fn run(parts: &Parts, plan: &Plan, fresh: bool) -> Result<Vec<String>, Kind> {
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    let existing = parts.opens_with(b"old").then(|| Secret::new(b"old".to_vec()));
    let new = fresh.then(|| Secret::new(b"new".to_vec()));
    let [mut header, mut vault, mut files] = [parts.clone(), parts.clone(), parts.clone()];
    let [mut lines, mut prove, mut records] = [parts.clone(), parts.clone(), parts.clone()];
    let mut told = Vec::new();
    let mut tell = |step: &Step| told.push(step.to_string());
    let mut world = World {
        files: &mut files,
        header: &mut header,
        lines: &mut lines,
        prove: &mut prove,
        records: &mut records,
        tell: &mut tell,
        vault: &mut vault,
    };
    let keys = Keys { existing: existing.as_ref(), new };
    carry_out(plan, keys, &mut world, &deadline)?;
    Ok(told)
}

/// What came before: the old key in every place that the plan writes to.
fn before(plan: &Plan) -> Parts {
    let parts = Parts::new();
    let old = Plan {
        wrapped: wrapped_key(1, b"old"),
        keyslot: 0,
        line: None,
        proves: false,
        old_keyslot: None,
        old_salt: None,
        old_file: None,
        ..plan.clone()
    };
    run(&parts, &old, false).unwrap();
    let mut disk = parts.0.borrow_mut();
    disk.files.insert("/etc/bek-unlock/old.wrapped".into(), String::new());
    (disk.calls, disk.kek) = (0, 2);
    disk.log.clear();
    drop(disk);
    parts
}

/// The plan of a rotation: the token is there, and is replaced.
fn rotation() -> Plan {
    let mut plan = plan();
    let Store::Token { number, .. } = &mut plan.stores[1] else { panic!() };
    *number = Some(0);
    plan
}

fn finished(parts: &Parts, plan: &Plan) {
    let disk = parts.0.borrow();
    assert_eq!(disk.keyslots.keys().copied().collect::<Vec<_>>(), [1]);
    assert_eq!((disk.record.as_ref(), disk.tokens.len()), (None, 1));
    assert_eq!(disk.line.as_deref(), Some("data1 UUID=5f1e - -"));
    assert_eq!(disk.files.len(), 1);
    drop(disk);
    assert!(plan.stores.iter().all(|store| parts.opens_by(store)));
}

#[test]
fn a_rotation_is_told_step_by_step() {
    let plan = rotation();
    let parts = before(&plan);
    assert_eq!(
        run(&parts, &plan, true).unwrap(),
        [
            "noting what is under way",
            "adding keyslot 1",
            "opening keyslot 1",
            "storing the wrapped key: key vault contoso-kv: secret bek-1",
            "storing the wrapped key: LUKS2 token",
            "storing the wrapped key: file /etc/bek-unlock/data1.wrapped",
            "reading it back and opening with it: key vault contoso-kv: secret bek-1",
            "reading it back and opening with it: LUKS2 token",
            "reading it back and opening with it: file /etc/bek-unlock/data1.wrapped",
            "writing the line of data1 to /etc/bektab",
            "finding the key as the next boot will",
            "removing the old keyslot 0",
            "removing the old file /etc/bek-unlock/old.wrapped",
            "done; forgetting the note",
        ]
    );
    finished(&parts, &plan);
    let disk = parts.0.borrow();
    let versions = &disk.secrets["bek-1"];
    assert_eq!(versions.len(), 2);
    let tags = &versions[1].tags;
    assert_eq!(tags["MachineName"], "web01");
    assert_eq!(tags["DiskEncryptionKeyEncryptionKeyURL"], kek(2).to_string());
    assert_eq!(tags["DiskEncryptionKeyEncryptionAlgorithm"], "RSA-OAEP");
    assert_eq!(versions[1].content_type, "Wrapped BEK");
}

/// Somebody has freed the old keyslot meanwhile, and given its number to a key of their own.
#[test]
fn another_key_with_the_old_number_stays() {
    for old_salt in [rotation().old_salt, None] {
        let plan = Plan { old_salt, ..rotation() };
        let parts = before(&plan);
        parts.0.borrow_mut().keyslots.insert(0, b"somebody's".to_vec());
        parts.0.borrow_mut().keyslots.insert(1, b"new".to_vec());
        run(&parts, &plan, false).unwrap();
        assert!(parts.opens_with(b"somebody's") && parts.opens_with(b"new"));
        assert_eq!(parts.0.borrow().record, None);
    }
}

/// A wrapping that is renewed with nothing new about it goes where the old one was.
#[test]
fn a_file_that_was_written_anew_is_not_the_old_one() {
    let plan = rotation();
    let Store::File(path) = plan.stores[2].clone() else { panic!() };
    let plan = Plan { old_file: Some(path.clone()), ..plan };
    let parts = before(&plan);
    run(&parts, &plan, true).unwrap();
    assert!(parts.0.borrow().files.contains_key(&path));
    assert!(plan.stores.iter().all(|store| parts.opens_by(store)));
}

/// Dies before and after each call there is, and again at each call of the run that goes on.
#[test]
fn whoever_dies_leaves_a_volume_that_opens_and_the_next_run_finishes() {
    let plan = rotation();
    let whole = before(&plan);
    run(&whole, &plan, true).unwrap();
    let calls = whole.0.borrow().calls;
    assert!(calls > 25, "{calls}");
    for first in 1..=calls {
        for death in [Death::Before, Death::After] {
            for second in [1, calls / 2, u32::MAX] {
                let parts = before(&plan);
                die(&parts, &plan, true, (first, death));
                // Whatever a boot looks at holds a key that opens: the old one or the new one.
                assert!(plan.stores.iter().all(|store| parts.opens_by(store)), "{first} {death:?}");
                if second != u32::MAX && parts.0.borrow().record.is_some() {
                    die(&parts, &plan, false, (second, death));
                    assert!(plan.stores.iter().all(|store| parts.opens_by(store)));
                }
                goes_on(&parts, &plan);
                finished(&parts, &plan);
                let versions = parts.0.borrow().secrets["bek-1"].len();
                assert_eq!(versions, 2, "{first} {death:?}");
            }
        }
    }
}

/// The same where nothing was there before, as with enroll.
#[test]
fn a_first_key_that_was_interrupted_is_finished_and_the_old_one_stays() {
    let plan = Plan { old_keyslot: None, old_file: None, ..plan() };
    for first in 1..60 {
        for death in [Death::Before, Death::After] {
            let parts = Parts::new();
            parts.0.borrow_mut().kek = 2;
            die(&parts, &plan, true, (first, death));
            assert!(parts.opens_with(b"old"), "{first} {death:?}");
            goes_on(&parts, &plan);
            assert!(parts.opens_with(b"old") && parts.opens_with(b"new"));
            let disk = parts.0.borrow();
            assert_eq!((disk.tokens.len(), disk.secrets["bek-1"].len()), (1, 1));
            assert_eq!(disk.record, None);
        }
    }
}

fn die(parts: &Parts, plan: &Plan, fresh: bool, at: (u32, Death)) {
    (parts.0.borrow_mut().calls, parts.0.borrow_mut().dies) = (0, Some(at));
    match run(parts, plan, fresh) {
        Err(kind) => assert_eq!(kind.to_string(), DEAD),
        // It had been over by then.
        Ok(_) => assert!(parts.0.borrow().calls < at.0),
    }
    (parts.0.borrow_mut().calls, parts.0.borrow_mut().dies) = (0, None);
}

/// The next run: goes on with what was noted, or begins again where nothing was.
fn goes_on(parts: &Parts, plan: &Plan) {
    let noted = parts.clone().load(super::fake::UUID).unwrap();
    match noted {
        Some(noted) => {
            assert_eq!(noted, *plan);
            run(parts, &noted, false).unwrap();
        }
        None if !parts.opens_with(b"new") => drop(run(parts, plan, true).unwrap()),
        None => {}
    }
}

#[test]
fn without_a_proof_nothing_old_is_removed() {
    let plan = rotation();
    let parts = before(&plan);
    parts.0.borrow_mut().revoked = true;
    let kind = run(&parts, &plan, true).unwrap_err();
    assert!(matches!(kind, Kind::KekMissing { .. }), "{kind}");
    assert!(parts.opens_with(b"old"));
    assert!(
        parts.0.borrow().files.contains_key(std::path::Path::new("/etc/bek-unlock/old.wrapped"))
    );
    // And when the KEK is back, it is finished.
    parts.0.borrow_mut().revoked = false;
    goes_on(&parts, &plan);
    finished(&parts, &plan);
}

#[test]
fn a_keyslot_that_somebody_took_is_not_touched() {
    let plan = rotation();
    let parts = before(&plan);
    parts.0.borrow_mut().keyslots.insert(1, b"theirs".to_vec());
    let kind = run(&parts, &plan, true).unwrap_err();
    assert!(kind.to_string().contains("keyslot 1 was free and was taken meanwhile"), "{kind}");
    assert!(parts.opens_with(b"theirs") && parts.opens_with(b"old"));
}

#[test]
fn the_last_way_in_is_never_removed() {
    let plan = Plan { old_keyslot: Some(1), old_salt: Some(salt(b"new")), ..rotation() };
    let parts = before(&plan);
    let kind = run(&parts, &plan, true).unwrap_err();
    assert!(kind.to_string().contains("keyslot 1 is the last way in and stays"), "{kind}");
    assert!(parts.opens_with(b"new"));
}

#[test]
fn a_key_that_is_not_there_any_more_is_said_to_be_needed() {
    let plan = rotation();
    let parts = before(&plan);
    let clock = VirtualClock::default();
    let [mut header, mut vault, mut files] = [parts.clone(), parts.clone(), parts.clone()];
    let [mut lines, mut prove, mut records] = [parts.clone(), parts.clone(), parts.clone()];
    let mut world = World {
        files: &mut files,
        header: &mut header,
        lines: &mut lines,
        prove: &mut prove,
        records: &mut records,
        tell: &mut |_| {},
        vault: &mut vault,
    };
    let deadline = Deadline::start(&clock, None);
    let kind = carry_out(&plan, Keys::default(), &mut world, &deadline).unwrap_err();
    assert_eq!(
        kind.to_string(),
        "keyslot 1 is not made yet: a key that opens the volume is needed"
    );
}

#[test]
fn what_the_kek_wrapped_comes_back_or_is_not_used() {
    let parts = Parts::new();
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    let wrap =
        Wrap { kek: KeyName::parse(super::fake::KEK).unwrap(), algorithm: KekAlgorithm::RsaOaep };
    let key = Secret::new(b"new".to_vec());
    let made = wrapped(&wrap, &key, &mut parts.clone(), &deadline).unwrap();
    assert_eq!(made, wrapped_key(1, b"new"));
    parts.0.borrow_mut().revoked = true;
    assert!(wrapped(&wrap, &key, &mut parts.clone(), &deadline).is_err());
}
