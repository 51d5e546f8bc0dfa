//! The vaults' side of a scenario: host, certificate, permissions, network, paging.
//!
//! What is inside a vault (keys and secrets) is in `content.rs`.

use serde::Deserialize;

use super::content::{Answer, Key, Secret};

/// A Key Vault, or a Managed HSM when the host says so.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    /// How results of wrap and unwrap are written.
    #[serde(default)]
    pub answer: Answer,
    /// Token resource; by default `https://` and the host without its first label.
    #[serde(default)]
    pub audience: Option<String>,
    /// What its TLS certificate looks like.
    #[serde(default)]
    pub certificate: Certificate,
    /// How a missing permission is reported.
    #[serde(default)]
    pub denied_as: Denial,
    /// Full host name, such as `contoso-kv.vault.azure.net`.
    pub host: String,
    /// KEKs.
    #[serde(default)]
    pub keys: Vec<Key>,
    /// Whether the caller's network is let in.
    #[serde(default)]
    pub network: Network,
    /// How lists are cut into pages.
    #[serde(default)]
    pub paging: Paging,
    /// Who may do what; absent lets every identity of the tenant do everything.
    #[serde(default)]
    pub permissions: Option<Vec<Permission>>,
    /// Secrets; must be empty for a Managed HSM.
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// Tenant that issues accepted tokens; the machine's when absent.
    #[serde(default)]
    pub tenant: Option<String>,
}

/// What an identity may do in a vault, in the words of access policies.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// Name, client id or object id of the identity, or `*`.
    pub identity: String,
    /// `get`, `unwrapKey`, `wrapKey`, `decrypt`, `encrypt`.
    #[serde(default)]
    pub keys: Vec<String>,
    /// `get`, `list`, `set`.
    #[serde(default)]
    pub secrets: Vec<String>,
}

/// The certificate shown to clients of a vault.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Certificate {
    /// Was good until 2021.
    Expired,
    /// Good from 2090.
    NotYetValid,
    /// Good, but signed by a CA nobody trusts.
    OtherCa,
    /// Signed by the emulator's CA for the vault's host.
    #[default]
    Valid,
    /// Good, but for another host.
    WrongName,
}

/// The inner code of 403 for a missing permission ("Azure Key Vault REST API error codes").
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum Denial {
    /// Vault with access policies.
    #[default]
    AccessDenied,
    /// The same text under another code, seen in the wild.
    ForbiddenByPolicy,
    /// Vault with Azure RBAC.
    ForbiddenByRbac,
}

/// What the vault's firewall does; checked after the token and before permissions.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// 403 `ForbiddenByFirewall`.
    Firewall,
    /// Everyone is let in.
    #[default]
    Open,
    /// 403 `ForbiddenByConnection`.
    PrivateLink,
}

/// How a list of secrets is cut into pages.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Paging {
    /// How the last page says that it is the last.
    pub end: ListEnd,
    /// Never end: the last page links to an empty page, and so on.
    pub endless: bool,
    /// Host in `nextLink` instead of the vault's own.
    pub next_link_host: Option<String>,
    /// Sizes of the first pages, 0 allowed; later ones have `maxresults` items.
    pub pages: Vec<usize>,
}

/// The last page's `nextLink`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ListEnd {
    /// No such field.
    Absent,
    /// `"nextLink": null`, which is what Azure sends.
    #[default]
    Null,
}
