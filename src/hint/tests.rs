use super::*;
use crate::azure::id::Host;
use crate::config::diagnostic::Diagnostic;
use crate::error::Unreachable;

fn denied(code: &str, status: u16) -> Kind {
    Kind::VaultDenied(Box::new(Denied {
        vault: Host::parse("kv.vault.azure.net").unwrap(),
        status,
        code: code.to_owned(),
        permission: "keys/unwrapKey",
        way: Way::ManagedIdentity,
        object_id: Some("6f1c0d52".to_owned()),
        address: Some("10.0.0.4".to_owned()),
        text: String::new(),
        request_id: None,
    }))
}

#[test]
fn each_refusal_of_the_vault_has_its_own_advice() {
    let mut seen = std::collections::BTreeSet::new();
    for code in [
        "AccessDenied",
        "ForbiddenByRbac",
        "ForbiddenByFirewall",
        "ForbiddenByConnection",
        "KeyDisabled",
        "KeyExpired",
        "KeyOperationForbidden",
        "SecretDisabled",
        "SomethingNew",
    ] {
        assert!(seen.insert(for_kind(&denied(code, 403))), "{code}");
    }
    assert!(seen.insert(for_kind(&denied("Unauthorized", 401))));
    assert!(seen.insert(for_kind(&denied("ObjectIsDeletedButRecoverable", 409))));
}

#[test]
fn a_permission_names_its_role() {
    let hints = |permission| {
        let Kind::VaultDenied(mut refused) = denied("ForbiddenByRbac", 403) else { panic!() };
        refused.permission = permission;
        for_kind(&Kind::VaultDenied(refused)).swap_remove(1)
    };
    assert_eq!(hints("secrets/list"), "such a role is Key Vault Reader, or Key Vault Secrets User");
    assert_eq!(hints("secrets/get"), "such a role is Key Vault Secrets User");
    assert_eq!(hints("secrets/set"), "such a role is Key Vault Secrets Officer");
    assert!(hints("keys/unwrapKey").contains("Crypto Service Encryption User"));
}

#[test]
fn a_mistake_is_explained_on_the_page_of_its_file() {
    for (file, text, page) in [
        ("/etc/bektab", "nofial", "bektab(5)"),
        ("command line", "nofial", "bektab(5)"),
        ("command line", "--auth nofial", "bek-unlock(8)"),
        ("/proc/cmdline", "nofial", "bek-unlock-initramfs(7)"),
    ] {
        let diagnostic = Diagnostic {
            file: file.into(),
            line: 1,
            column: 1,
            length: 1,
            text: text.to_owned(),
            message: "unknown option \"nofial\"".to_owned(),
            suggestion: Some("nofail".to_owned()),
        };
        let hints = for_kind(&Kind::Configuration(Box::new(diagnostic)));
        assert_eq!(hints, ["did you mean nofail?".to_owned(), format!("see {page}")]);
    }
}

#[test]
fn advice_is_true_where_it_is_given() {
    let unusable = |place: &str| {
        for_kind(&Kind::KeyFileUnusable {
            place: place.to_owned(),
            file: None,
            problem: FileProblem::Unreadable("Input/output error".to_owned()),
        })
    };
    assert!(unusable("/etc/key")[0].contains("mode 0400"));
    assert!(unusable("key disk /dev/sdc1")[0].contains("deallocate the VM"));
    let unreachable = |problem, tries| {
        let elapsed = std::time::Duration::ZERO;
        for_kind(&Kind::MetadataUnreachable(Unreachable { problem, tries, elapsed }))
    };
    assert!(unreachable(TransportProblem::TimedOut, 0)[0].contains("timeout="));
    assert!(unreachable(TransportProblem::TimedOut, 1)[0].contains("networkctl"));
    assert!(unreachable(TransportProblem::Status(404), 9)[1].contains("Azure VM?"));
    assert!(unreachable(TransportProblem::Status(503), 9)[0].contains("busy"));
}

#[test]
fn a_header_that_is_absent_is_not_called_damaged() {
    let hints = |reason: &str| {
        let path = "/luks/osluksheader:UUID=5f1e".into();
        for_kind(&Kind::HeaderUnusable { path, reason: reason.to_owned() })
    };
    for reason in [
        "its device is not there",
        "no such file or device",
        "No such file or directory; the copy /osluksheader is from a reencryption",
    ] {
        assert!(hints(reason)[0].starts_with("is its disk attached?"), "{reason}");
    }
    assert!(hints("it is not LUKS, or damaged")[2].starts_with("never reformat"));
}

#[test]
fn what_windows_or_the_line_can_mend_is_not_looked_for_in_the_kernel() {
    let hints = |reason: &str| {
        for_kind(&Kind::HeaderUnusable { path: "/dev/sdb".into(), reason: reason.to_owned() })
    };
    let unfinished = "Windows has not finished encrypting or decrypting it";
    assert!(hints(unfinished)[0].contains("manage-bde -status"));
    assert!(hints("it is BitLocker, and its line says luks")[0].starts_with("correct luks"));
    let failing = hints("it cannot be read: I/O error");
    assert!(failing[0].starts_with("does the disk fail?"), "{failing:?}");
}

#[test]
fn who_is_no_vm_is_not_called_one() {
    for (code, status) in [("Unauthorized", 401), ("Odd", 403), ("ForbiddenByFirewall", 403)] {
        let Kind::VaultDenied(mut denied) = denied(code, status) else { panic!() };
        (denied.object_id, denied.address) = (None, None);
        let said = for_kind(&Kind::VaultDenied(denied.clone())).join(" ");
        assert!(said.contains("VM"), "{said}");
        denied.way = Way::Az;
        let said = for_kind(&Kind::VaultDenied(denied)).join(" ");
        assert!(!said.contains("VM") && said.contains("this "), "{said}");
    }
}

#[test]
fn who_and_where_are_named() {
    let lines = for_kind(&denied("AccessDenied", 403));
    assert_eq!(lines, ["give identity 6f1c0d52 keys/unwrapKey"]);
    let lines = for_kind(&denied("ForbiddenByFirewall", 403));
    assert_eq!(lines, ["allow 10.0.0.4 in the vault's network rules"]);
}
