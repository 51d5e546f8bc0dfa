//! `/metadata/instance` and `/metadata/versions`: what the machine is told about itself.
//!
//! Every primitive value is a string. Leaves are served as text only, because the service's
//! default format is JSON and leaves have none.

use serde_json::{Value, json};

use crate::{
    http::{Request, Response},
    scenario::Vm,
};

/// Newest first.
const API_VERSIONS: [&str; 12] = [
    "2025-04-07",
    "2024-07-17",
    "2024-03-15",
    "2023-11-15",
    "2023-07-01",
    "2021-12-13",
    "2021-11-15",
    "2021-11-01",
    "2021-05-01",
    "2021-02-01",
    "2020-09-01",
    "2019-06-01",
];

/// `/metadata/versions`.
pub(super) fn versions() -> Response {
    let mut oldest_first = API_VERSIONS;
    oldest_first.reverse();
    Response::json(200, &json!({"apiVersions": oldest_first}))
}

/// `/metadata/instance` and everything below.
pub(super) fn answer(vm: &Vm, request: &Request) -> Response {
    let known = request.query("api-version").filter(|given| API_VERSIONS.contains(given));
    let Some(api_version) = known else {
        let error = "Bad request. api-version is invalid or was not specified in the request. \
                     For more information refer to aka.ms/azureimds";
        let newest: Vec<&str> = API_VERSIONS.into_iter().take(3).collect();
        return Response::json(400, &json!({"error": error, "newest-versions": newest}));
    };
    let document = document(vm, api_version);
    let mut value = &document;
    let below = request.path.strip_prefix("/metadata/instance").unwrap_or_default();
    for part in below.split('/').filter(|part| !part.is_empty()) {
        let child = match value {
            Value::Array(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
            other => other.get(part),
        };
        match child {
            Some(child) => value = child,
            None => return Response::json(404, &json!({"error": "Not found"})),
        }
    }
    match (value, request.query("format")) {
        (Value::String(leaf), Some("text")) => {
            Response::text(200, "text/plain; charset=utf-8", leaf.as_str())
        }
        (Value::Array(_) | Value::Object(_), None | Some("json")) => Response::json(200, value),
        // Documented as not working; the text is not.
        _ => Response::json(400, &json!({"error": "Bad request. Format is not available here"})),
    }
}

fn document(vm: &Vm, api_version: &str) -> Value {
    let joined: Vec<String> =
        vm.tags.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    let list: Vec<Value> =
        vm.tags.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let mut security_profile = vm.security_profile.clone();
    // Dates of this form compare as text.
    if api_version < "2021-12-13" {
        remove(&mut security_profile, "securityType");
    }
    let mut storage_profile = vm.storage_profile.clone();
    if api_version < "2021-11-01" {
        if let Some(disk) = storage_profile.get_mut("osDisk") {
            remove(disk, "encryptionSettings");
        }
    }
    json!({
        "compute": {
            "azEnvironment": vm.az_environment,
            "location": vm.location,
            "name": vm.name,
            "osType": "Linux",
            "provider": "Microsoft.Compute",
            "resourceId": vm.resource_id,
            "securityProfile": security_profile,
            "storageProfile": storage_profile,
            "tags": joined.join(";"),
            "tagsList": list,
            "vmId": vm.vm_id,
            "vmScaleSetName": vm.vm_scale_set_name,
        },
        "network": {"interface": []},
    })
}

fn remove(value: &mut Value, name: &str) {
    if let Value::Object(fields) = value {
        fields.remove(name);
    }
}
