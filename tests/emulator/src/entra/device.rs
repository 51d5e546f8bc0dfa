//! The device-code flow: a code, polls, and what the scripted person makes of it.

use base64::Engine;
use serde_json::{Map, Value, json};

use super::{Form, issue, refusal};
use crate::{
    http::Response,
    random,
    rsa_ops::BASE64URL,
    scenario::{Identity, Outcome},
    vault::now,
    world::World,
};

/// A code that waits for the person.
pub(super) struct Flow {
    client: String,
    pending: u32,
    scope: String,
    slow_down: u32,
}

/// `/devicecode`.
pub(super) fn begin(world: &mut World, form: &Form) -> Result<Response, Response> {
    let client = form.get("client_id").ok_or_else(|| refusal::missing("client_id"))?.to_owned();
    let scope = form.get("scope").ok_or_else(|| refusal::missing("scope"))?.to_owned();
    let Some(entra) = &mut world.entra else { return Err(refusal::missing("client_id")) };
    let device_code = format!("emulated-device.{}", random::hex(60));
    let user_code = random::hex(5).to_ascii_uppercase();
    let person = &entra.spec.person;
    let flow = Flow { client, pending: person.pending, scope, slow_down: person.slow_down };
    let url = "https://microsoft.com/devicelogin";
    let answer = json!({
        "user_code": user_code,
        "device_code": device_code,
        "verification_uri": url,
        "expires_in": person.expires_in,
        "interval": person.interval,
        "message": format!(
            "To sign in, use a web browser to open the page {url} and enter the code {user_code} \
             to authenticate."
        ),
    });
    entra.flows.insert(device_code, flow);
    Ok(Response::json(200, &answer))
}

/// A poll of `/token`.
pub(super) fn poll(world: &mut World, form: &Form) -> Result<Response, Response> {
    let code = form.get("device_code").or(form.get("code")).unwrap_or_default().to_owned();
    let client = form.get("client_id").unwrap_or_default();
    let Some(entra) = &mut world.entra else { return Err(refusal::missing("client_id")) };
    let known = entra.flows.get_mut(&code).filter(|flow| flow.client == client);
    let Some(flow) = known else {
        let text = "The device_code is not valid.";
        return Err(refusal::of(400, "bad_verification_code", 501_811, text));
    };
    if flow.slow_down > 0 {
        flow.slow_down -= 1;
        // In RFC 8628; Entra's own list does not have it.
        return Err(refusal::of(400, "slow_down", 70_015, "Polling too often."));
    }
    if flow.pending > 0 {
        flow.pending -= 1;
        let text = "OAuth 2.0 device flow error. Authorization is pending. Continue polling.";
        return Err(refusal::of(400, "authorization_pending", 70_016, text));
    }
    let (scope, outcome) = (flow.scope.clone(), entra.spec.person.outcome);
    // A code is good for one answer.
    if outcome != Outcome::SignsIn {
        entra.flows.remove(&code);
    }
    match outcome {
        Outcome::Blocked => {
            let text = "Access has been blocked by Conditional Access policies. The access policy \
                        does not allow token issuance.";
            Err(refusal::of(400, "invalid_grant", 53_003, text))
        }
        Outcome::Declines => {
            let text = "The end user denied the authorization request.";
            Err(refusal::of(400, "authorization_declined", 70_018, text))
        }
        Outcome::Expires => {
            let text = "OAuth 2.0 device flow error. The device_code has expired.";
            Err(refusal::of(400, "expired_token", 70_019, text))
        }
        Outcome::SignsIn => {
            let client = client.to_owned();
            let answer = signed_in(world, &client, &scope)?;
            if let Some(entra) = &mut world.entra {
                entra.flows.remove(&code);
            }
            Ok(Response::json(200, &json!(answer)))
        }
    }
}

/// `grant_type=refresh_token`.
pub(super) fn refresh(world: &mut World, form: &Form) -> Result<Response, Response> {
    let (given, client) = (form.get("refresh_token"), form.get("client_id").unwrap_or_default());
    let scope = form.get("scope").unwrap_or_default();
    let known = |world: &World| {
        let owner = world.entra.as_ref()?.refresh_tokens.get(given?)?;
        (owner == client).then_some(())
    };
    if known(world).is_none() {
        let text = "The provided authorization code or refresh token has expired.";
        return Err(refusal::of(400, "invalid_grant", 70_008, text));
    }
    Ok(Response::json(200, &json!(signed_in(world, client, scope)?)))
}

/// The person's tokens.
fn signed_in(world: &mut World, client: &str, scope: &str) -> Result<Map<String, Value>, Response> {
    let Some(entra) = &world.entra else { return Err(refusal::missing("client_id")) };
    let person = entra.spec.person.clone();
    let host = entra.spec.host.clone();
    let tenant = person.tenant.clone().unwrap_or_else(|| world.imds.tenant.clone());
    let identity = Identity {
        client_id: client.to_owned(),
        name: person.name.clone(),
        object_id: person.object_id.clone(),
        ..Identity::default()
    };
    let mut answer = issue(world, &identity, &tenant, scope)?;
    let encode = |value: &Value| BASE64URL.encode(value.to_string());
    let words: Vec<&str> = scope.split(' ').collect();
    if words.contains(&"offline_access") {
        let refresh = format!("emulated-refresh.{}", random::hex(120));
        answer.insert("refresh_token".to_owned(), json!(refresh));
        if let Some(entra) = &mut world.entra {
            entra.refresh_tokens.insert(refresh, client.to_owned());
        }
    }
    if words.contains(&"openid") {
        let claims = json!({
            "aud": client, "exp": now() + 3599, "iat": now(), "nbf": now(),
            "iss": format!("https://{host}/{tenant}/v2.0"), "oid": person.object_id,
            "preferred_username": format!("{}@contoso.example", person.name),
            "sub": person.object_id, "tid": tenant, "ver": "2.0",
        });
        // Clients must not trust it without looking at the channel; it came over TLS.
        let header = json!({"alg": "none", "typ": "JWT"});
        let id_token = format!("{}.{}.", encode(&header), encode(&claims));
        answer.insert("id_token".to_owned(), json!(id_token));
        let info = json!({"uid": person.object_id, "utid": tenant});
        answer.insert("client_info".to_owned(), json!(encode(&info)));
    }
    answer.insert("scope".to_owned(), json!(scope));
    Ok(answer)
}
