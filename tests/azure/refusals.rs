//! Refusals: identity, permission, firewall, disabled and missing things.

use azure_emulator::{Change, Named, Service};
use serde_json::json;

use bek_unlock::error::{Kind, SecretProblem};
use bek_unlock::volume::Identity;

use crate::world::*;

#[test]
fn a_vm_without_identity_is_told_so() {
    let world = World::new(json!({}), json!([]));
    world.emulator.change(Change::SetIdentities(Vec::new())).unwrap();
    let Kind::IdentityMissing { status, text } = world.unlock().unwrap_err() else { panic!() };
    assert_eq!((status, text.as_str()), (400, "Identity not found"));
    // One slow second chance, and no vault was asked.
    assert_eq!(world.requests(Service::Imds), 2);
    assert_eq!(world.requests(Service::Vault), 0);
}

#[test]
fn the_identity_is_selected_and_has_to_be_the_one() {
    let world = World::new(json!({}), json!([]));
    let client =
        |id: &str| world.client(world.ca.path().to_owned(), Some(Identity::Client(id.to_owned())));
    assert!(unlock(client("11111111-1111-4111-8111-111111111111")).is_ok());
    let refused = unlock(client("99999999-9999-4999-8999-999999999999")).unwrap_err();
    assert!(matches!(refused, Kind::IdentityMissing { status: 400, .. }), "{refused:?}");
}

#[test]
fn refusals_keep_what_the_operator_needs() {
    let nothing = json!({"permissions": []});
    let world = World::new(nothing, json!([]));
    let Kind::VaultDenied(denied) = world.unlock().unwrap_err() else { panic!() };
    assert_eq!((denied.code.as_str(), denied.permission), ("AccessDenied", "secrets/get"));
    assert_eq!(denied.object_id.as_deref(), Some(OBJECT_ID));
    assert!(denied.request_id.is_some());

    let only_get = json!({"permissions": [{"identity": "vm", "secrets": ["get"]}],
                          "denied_as": "ForbiddenByRbac"});
    let world = World::new(only_get, json!([]));
    let Kind::VaultDenied(denied) = world.unlock().unwrap_err() else { panic!() };
    assert_eq!((denied.code.as_str(), denied.permission), ("ForbiddenByRbac", "keys/unwrapKey"));

    let world = World::new(json!({"network": "firewall"}), json!([]));
    let Kind::VaultDenied(denied) = world.unlock().unwrap_err() else { panic!() };
    assert_eq!(denied.code, "ForbiddenByFirewall");
    assert!(denied.address.is_some(), "{denied:?}");
}

#[test]
fn disabled_and_missing_things_are_told_apart() {
    let named = |name: &str| Named { vault: HOST.to_owned(), name: name.to_owned(), version: None };
    let world = World::new(json!({}), json!([]));
    world.emulator.change(Change::DisableKey(named("kek"))).unwrap();
    let Kind::VaultDenied(denied) = world.unlock().unwrap_err() else { panic!() };
    assert_eq!(denied.code, "KeyDisabled");

    let world = World::new(json!({}), json!([]));
    world.emulator.change(Change::DisableSecret(named("bek-1"))).unwrap();
    let Kind::SecretMissing { problem, .. } = world.unlock().unwrap_err() else { panic!() };
    assert_eq!(problem, SecretProblem::Disabled);

    let world = World::new(json!({"secrets": []}), json!([]));
    let Kind::SecretMissing { problem, .. } = world.unlock().unwrap_err() else { panic!() };
    assert_eq!(problem, SecretProblem::NotFound);

    let world = World::new(
        json!({"keys": [{"name": "kek", "versions": [
        {"version": "0".repeat(32)}]}]}),
        json!([fault(
            "/keys/*",
            9,
            json!({"reply": {
        "status": 404, "body": {"error": {"code": "KeyNotFound", "message": "A key with"}}}})
        )]),
    );
    assert!(matches!(world.unlock().unwrap_err(), Kind::KekMissing { .. }));
}
