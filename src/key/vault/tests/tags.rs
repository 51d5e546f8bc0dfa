//! Secrets that are found by their tags.

use super::*;

#[test]
fn tags_find_the_newest_enabled_secret_of_this_machine() {
    let fake = Fake::new([
        token(),
        list(&[
            ("old", "vm-1", 10, true),
            ("foreign", "vm-2", 99, true),
            ("new", "VM-1", 20, true),
            ("unnamed", "", 50, true),
        ]),
        plain("new/1"),
    ]);
    let machine = MachineName::Guest(Some("vm-1".to_owned()));
    let mut source = source(&fake, by_tags(machine), Kek::default());
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    let found = source.keys(&deadline).unwrap();
    assert_eq!(found[0].origin, "key vault contoso-kv: new/1");
    assert!(!found[0].from_file);
    assert_eq!(fake.requests().len(), 3);
}

#[test]
fn all_that_may_fit_is_tried_in_order_and_the_vm_name_asked_when_needed() {
    let no_versions = || answer(200, r#"{"value":[]}"#);
    let fake = Fake::new([
        token(),
        list(&[
            ("by-vm", "vm-resource", 40, true),
            ("by-host", "host-1", 10, true),
            ("unnamed", "", 50, true),
            ("foreign", "vm-2", 99, true),
        ]),
        plain("by-host/1"),
        answer(200, "vm-resource"),
        plain("by-vm/1"),
        plain("unnamed/1"),
        no_versions(),
        no_versions(),
        no_versions(),
    ]);
    // The host name is an FQDN by now.
    let machine = MachineName::Guest(Some("host-1.contoso.com".to_owned()));
    let mut source = source(&fake, by_tags(machine), Kek::default());
    let origins: Vec<String> =
        run(&mut source).iter().map(|said| said.split(" = ").next().unwrap().to_owned()).collect();
    assert_eq!(
        origins,
        [
            "key vault contoso-kv: by-host/1",
            "key vault contoso-kv: by-vm/1",
            "key vault contoso-kv: unnamed/1",
        ]
    );
    assert_eq!(fake.lines()[3], "GET imds/metadata/instance/compute/name");
}

#[test]
fn a_given_machine_name_is_not_replaced() {
    let fake = Fake::new([token(), list(&[("foreign", "vm-2", 99, true)])]);
    let machine = MachineName::Given("vm-1".to_owned());
    let mut source = source(&fake, by_tags(machine), Kek::default());
    assert_eq!(
        run(&mut source),
        [format!("key vault contoso-kv: none of 1 secrets has tags for {FILE}")]
    );
    assert_eq!(fake.requests().len(), 2);
}

#[test]
fn a_vm_without_name_goes_on_with_unnamed_secrets() {
    let fake = Fake::new([
        token(),
        list(&[("unnamed", "", 50, true), ("foreign", "vm-2", 60, true)]),
        answer(400, r#"{"error":"bad"}"#),
        plain("unnamed/1"),
        answer(200, r#"{"value":[]}"#),
    ]);
    let mut source = source(&fake, by_tags(MachineName::Guest(None)), Kek::default());
    assert_eq!(run(&mut source), ["key vault contoso-kv: unnamed/1 = unnamed/1"]);
}

#[test]
fn the_vm_name_is_not_asked_when_it_decides_nothing() {
    let fake = Fake::new([token(), list(&[("unnamed", "", 50, true)]), plain("unnamed/1")]);
    let mut source = source(&fake, by_tags(MachineName::Guest(None)), Kek::default());
    let clock = VirtualClock::default();
    let deadline = Deadline::start(&clock, None);
    assert_eq!(source.keys(&deadline).unwrap().len(), 1);
    assert_eq!(fake.requests().len(), 3);
}

#[test]
fn only_disabled_secrets_are_reported_as_such() {
    let versions = list(&[("off/1", "vm-1", 10, false)]);
    let fake = Fake::new([token(), list(&[("off", "vm-1", 10, false)]), versions]);
    let machine = MachineName::Given("vm-1".to_owned());
    let mut source = source(&fake, by_tags(machine), Kek::default());
    assert_eq!(run(&mut source), ["key vault contoso-kv: secret off is disabled"]);
}
