//! What the services themselves say: refusals, another's answers, lists that lead nowhere, dates.

use serde_json::{Value, json};

use crate::case::{Case, Trouble, VAULT};

mod keys;
mod metadata;
mod secrets;

const HOST: &str = "contoso-kv.vault.azure.net";

pub fn cases() -> Vec<Case> {
    [metadata::cases(), secrets::secret(), secrets::list(), keys::unwrap(), keys::decode()].concat()
}

fn reply(status: u16, body: Value) -> Value {
    json!({"reply": {"status": status, "body": body}})
}

fn change(change: Value, back: Value) -> Trouble {
    Trouble::Change(change, back)
}

fn named(name: &str) -> String {
    format!("{VAULT}/secrets/{name}")
}

/// What the VM may do in the vault, while the case runs.
fn allowed(secrets: &[&str], keys: &[&str]) -> Trouble {
    let permissions = |secrets: &[&str], keys: &[&str]| {
        let may = json!([{"identity": "vm", "secrets": secrets, "keys": keys}]);
        json!({"set_permissions": {"vault": HOST, "permissions": may}})
    };
    change(permissions(secrets, keys), permissions(&["get", "list"], &["unwrapKey"]))
}
