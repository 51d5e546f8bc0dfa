//! Who is asking, from where, and whether they may.
//!
//! Tokens are judged in the order of the service: present, known, alive, for this audience, of
//! this tenant. Each refusal carries the challenge again, which is how clients end up in loops.

use super::refusal;
use crate::{
    http::{Request, Response},
    scenario::Network,
    token::{Bearer, Token},
    world::{LiveVault, World},
};

/// The token of a request, or 401.
pub(super) fn authenticate(
    world: &mut World,
    host: &str,
    request: &Request,
) -> Result<Token, Response> {
    let bearer = world.tokens.redeem(request.header("authorization"));
    let Some(vault) = world.vault(host) else {
        return Err(refusal::no_such_page());
    };
    let refuse = |message: &str| Err(refusal::unauthorized(vault, message));
    let token = match bearer {
        Bearer::Absent => {
            return refuse("AKV10000: Request is missing a Bearer or PoP token.");
        }
        // The S2S number for tokens that cannot be read is not documented.
        Bearer::Unknown => {
            return refuse("[BearerReadAccessTokenFailed] Error validating token: 'S2S17001'.");
        }
        Bearer::Expired => {
            return refuse("[TokenExpired] Error validating token: 'S2S12086'.");
        }
        Bearer::Good(token) => token,
    };
    let (expected, found) = (&vault.audience, &token.audience);
    if expected != found {
        let message = format!("AKV10022: Invalid audience. Expected {expected}, found: {found}.");
        return refuse(&message);
    }
    if vault.tenant != token.tenant {
        let message = format!(
            "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/{}/, found \
             https://sts.windows.net/{}/.",
            vault.tenant, token.tenant
        );
        return refuse(&message);
    }
    Ok(token)
}

/// 403 when the caller's network is kept out, whoever they are.
pub(super) fn check_network(vault: &LiveVault) -> Result<(), Response> {
    match vault.spec.network {
        Network::Open => Ok(()),
        Network::Firewall => {
            let message = format!(
                "Client address is not authorized and caller is not a trusted service.\r\nClient \
                 address: 203.0.113.7\r\nCaller: name=emulated\r\nVault: {};location=westeurope",
                vault.name()
            );
            Err(refusal::forbidden("ForbiddenByFirewall", &message))
        }
        Network::PrivateLink => Err(refusal::forbidden(
            "ForbiddenByConnection",
            "Public network access is disabled and request is not from a trusted service nor via \
             an approved private link.",
        )),
    }
}

/// 403 when the caller lacks a permission; `kind` is `keys` or `secrets`.
pub(super) fn check_permission(
    vault: &LiveVault,
    caller: &Token,
    kind: &str,
    object: &str,
    permission: &str,
) -> Result<(), Response> {
    let Some(policies) = &vault.spec.permissions else {
        return Ok(());
    };
    let identity = &caller.identity;
    let known_as = [&identity.name, &identity.client_id, &identity.object_id];
    let granted = policies
        .iter()
        .filter(|policy| policy.identity == "*" || known_as.contains(&&policy.identity))
        .flat_map(|policy| match kind {
            "keys" => &policy.keys,
            _ => &policy.secrets,
        })
        .any(|granted| granted.eq_ignore_ascii_case(permission));
    if granted { Ok(()) } else { Err(refusal::permission(vault, caller, kind, object, permission)) }
}
