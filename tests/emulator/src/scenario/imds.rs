//! The machine's side of a scenario: identities, token policy, instance data.
//!
//! Field names follow the answers of IMDS where there is one. Values are taken as given; a
//! scenario may well describe a machine that Azure would not build.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Tenant used where a scenario names none.
pub(crate) const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

/// What the metadata service serves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Imds {
    /// Resources a token may be asked for besides the ones Azure's clouds have.
    pub audiences: Vec<String>,
    /// Managed identities of the machine; none is a machine without identity.
    pub identities: Vec<Identity>,
    /// Home tenant of the machine, shown by `/metadata/identity/info`.
    pub tenant: String,
    /// How long tokens live.
    pub token: TokenPolicy,
    /// Instance data.
    pub vm: Vm,
}

impl Default for Imds {
    fn default() -> Self {
        Self {
            audiences: Vec::new(),
            identities: Vec::new(),
            tenant: TENANT.to_owned(),
            token: TokenPolicy::default(),
            vm: Vm::default(),
        }
    }
}

/// A managed identity.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// System- or user-assigned.
    pub assigned: Assigned,
    /// Application id, echoed in token answers.
    pub client_id: String,
    /// Label for permissions of this scenario; Azure has no such field.
    pub name: String,
    /// Principal (object) id.
    pub object_id: String,
    /// ARM id, for the selector `msi_res_id`.
    pub resource_id: String,
    /// Tenant that issues its tokens; the machine's when absent.
    pub tenant: Option<String>,
}

/// How an identity came to the machine.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Assigned {
    /// Created with the machine; used when no identity is selected.
    #[default]
    System,
    /// Attached; used unselected only if it is the only identity.
    User,
}

/// Validity of tokens, settable so that tests of expiry need no waiting.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenPolicy {
    /// Seconds a token is good for; 0 gives tokens that are expired on arrival.
    pub lifetime_seconds: u64,
    /// Requests a vault accepts one token for; then it counts as expired.
    pub max_uses: Option<u32>,
}

impl Default for TokenPolicy {
    fn default() -> Self {
        Self {
            // A managed identity's usual day, as in the answers of the documentation.
            lifetime_seconds: 86_399,
            max_uses: None,
        }
    }
}

/// Instance data of the virtual machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vm {
    /// `AzurePublicCloud`, `AzureUSGovernmentCloud`, `AzureChinaCloud`.
    pub az_environment: String,
    /// Region.
    pub location: String,
    /// Resource name of the machine, which is not its host name.
    pub name: String,
    /// ARM id.
    pub resource_id: String,
    /// Served as `compute.securityProfile`.
    pub security_profile: Value,
    /// Served as `compute.storageProfile`.
    pub storage_profile: Value,
    /// Served as `compute.tags` and `compute.tagsList`.
    pub tags: BTreeMap<String, String>,
    /// Unique id of the machine.
    pub vm_id: String,
    /// Name of the scale set, empty outside of one.
    pub vm_scale_set_name: String,
}

impl Default for Vm {
    fn default() -> Self {
        let vm = "/subscriptions/8d10da13-8125-4ba9-a717-bf7490507b3d/resourceGroups/emulator/\
                  providers/Microsoft.Compute/virtualMachines/emulated-vm";
        Self {
            az_environment: "AzurePublicCloud".to_owned(),
            location: "westeurope".to_owned(),
            name: "emulated-vm".to_owned(),
            resource_id: vm.to_owned(),
            security_profile: serde_json::json!({
                "encryptionAtHost": "false", "secureBootEnabled": "true",
                "securityType": "TrustedLaunch", "virtualTpmEnabled": "true",
            }),
            storage_profile: serde_json::json!({"dataDisks": [], "osDisk": {"osType": "Linux"}}),
            tags: BTreeMap::new(),
            vm_id: "02aab8a4-74ef-476e-8182-f6d2ba4166a6".to_owned(),
            vm_scale_set_name: String::new(),
        }
    }
}
