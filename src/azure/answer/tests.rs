use super::*;
use crate::azure::fake::{answer, refused};

const POLICY: &str = "The user, group or application 'appid=0a1b;\
    oid=6f1c0d52-1111-4222-8333-444455556666;iss=https://sts.windows.net/t/' does not have \
    secrets get permission on key vault 'contoso-kv;location=westeurope'. For help resolving this \
    issue, please see https://go.microsoft.com/fwlink/?linkid=2125287";
const FIREWALL: &str = "Client address is not authorized and caller is not a trusted service.\n\
    Client address: 20.1.2.3\nCaller: appid=0a1b;oid=6f1c0d52-1111-4222-8333-444455556666;iss=x\n\
    Vault: contoso-kv;location=westeurope";

const WAY: Way = Way::ManagedIdentity;

fn host() -> Host {
    Host::parse("contoso-kv.vault.azure.net").unwrap()
}

fn kek() -> KeyId {
    KeyId::parse("https://contoso-kv.vault.azure.net/keys/kek/0123").unwrap()
}

fn get() -> Operation {
    Operation::GetSecret("bek-1".to_owned())
}

fn judge(operation: &Operation, status: u16, code: &str, inner: &str, message: &str) -> Kind {
    refusal(operation, &host(), WAY, &refused(status, code, inner, message).unwrap())
}

fn denied(kind: Kind) -> Denied {
    match kind {
        Kind::VaultDenied(denied) => *denied,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_408_429_and_5xx_say_later() {
    let later: Vec<u16> = (100..=999).filter(|status| is_transient(*status)).collect();
    let expected: Vec<u16> = [408, 429].into_iter().chain(500..=599).collect();
    assert_eq!(later, expected);
}

#[test]
fn a_refusal_by_policy_names_the_caller_and_the_permission() {
    let denied = denied(judge(&get(), 403, "Forbidden", "AccessDenied", POLICY));
    assert_eq!((denied.status, denied.code.as_str()), (403, "AccessDenied"));
    assert_eq!(denied.permission, "secrets/get");
    assert_eq!(denied.object_id.as_deref(), Some("6f1c0d52-1111-4222-8333-444455556666"));
    assert_eq!(denied.address, None);
    assert!(denied.text.ends_with("on key vault 'contoso-kv;location=westeurope'"));
    assert_eq!(denied.request_id.as_deref(), Some("5f3c9c7e"));
}

#[test]
fn a_refusal_by_firewall_names_the_address() {
    let denied = denied(judge(&get(), 403, "Forbidden", "ForbiddenByFirewall", FIREWALL));
    assert_eq!(denied.address.as_deref(), Some("20.1.2.3"));
    assert_eq!(denied.object_id.as_deref(), Some("6f1c0d52-1111-4222-8333-444455556666"));
    assert_eq!(denied.text, "Client address is not authorized and caller is not a trusted service");
}

#[test]
fn every_403_keeps_its_inner_code() {
    for (operation, inner, permission) in [
        (get(), "ForbiddenByRbac", "secrets/get"),
        (get(), "ForbiddenByPolicy", "secrets/get"),
        (Operation::ListSecrets, "ForbiddenByConnection", "secrets/list"),
        (Operation::UnwrapKey(kek()), "KeyDisabled", "keys/unwrapKey"),
        (Operation::UnwrapKey(kek()), "KeyOperationForbidden", "keys/unwrapKey"),
        // Disabled secrets are no affair of unwrapping.
        (Operation::UnwrapKey(kek()), "SecretDisabled", "keys/unwrapKey"),
    ] {
        let denied = denied(judge(&operation, 403, "Forbidden", inner, "No."));
        assert_eq!((denied.code.as_str(), denied.permission), (inner, permission));
    }
    assert_eq!(denied(judge(&get(), 403, "Forbidden", "", "No.")).code, "Forbidden");
}

#[test]
fn a_refused_token_keeps_the_whole_line() {
    let text = "AKV10022: Invalid audience. Expected https://vault.azure.net, found: x.";
    let denied = denied(judge(&get(), 401, "Unauthorized", "", text));
    assert_eq!((denied.status, denied.code.as_str()), (401, "Unauthorized"));
    assert_eq!(denied.text, text.strip_suffix('.').unwrap());
}

#[test]
fn a_disabled_secret_is_missing_not_denied() {
    let kind = judge(&get(), 403, "Forbidden", "SecretDisabled", "Operation get is not allowed.");
    assert_eq!(
        kind,
        Kind::SecretMissing {
            vault: host(),
            what: "bek-1".into(),
            problem: SecretProblem::Disabled
        }
    );
}

#[test]
fn what_is_not_there_is_named() {
    assert_eq!(
        judge(&get(), 404, "SecretNotFound", "", "A secret with (name/id) bek-1 was not found"),
        Kind::SecretMissing {
            vault: host(),
            what: "bek-1".into(),
            problem: SecretProblem::NotFound
        }
    );
    let kind = judge(&Operation::UnwrapKey(kek()), 404, "KeyNotFound", "", "A key with");
    assert_eq!(kind, Kind::KekMissing { kek: kek().into() });
    assert_eq!(kind.to_string(), "key vault contoso-kv: HTTP 404 KeyNotFound (kek/0123)");
}

#[test]
fn a_400_of_unwrap_is_about_the_key_and_of_others_about_the_protocol() {
    let text = "Error occurred while decoding OAEP padding.";
    assert_eq!(
        judge(&Operation::UnwrapKey(kek()), 400, "BadParameter", "", text).to_string(),
        "key vault contoso-kv: unwrapkey: HTTP 400 BadParameter: \
         Error occurred while decoding OAEP padding"
    );
    assert_eq!(
        judge(&get(), 400, "BadParameter", "", "api-version must be specified"),
        Kind::VaultUntrusted {
            host: host(),
            problem: TrustProblem::Answer(
                "HTTP 400 BadParameter: api-version must be specified".into()
            ),
        }
    );
}

#[test]
fn the_rest_is_not_trusted() {
    for (status, body, problem) in [
        (302, "", TrustProblem::Redirect),
        (307, "{}", TrustProblem::Redirect),
        (204, "", TrustProblem::Answer("HTTP 204".into())),
        (409, r#"{"error":{"code":"Conflict"}}"#, TrustProblem::Answer("HTTP 409 Conflict".into())),
        (418, "<html>teapot</html>", TrustProblem::Answer("HTTP 418".into())),
        (404, "", TrustProblem::Answer("HTTP 404".into())),
    ] {
        let kind = refusal(&Operation::ListSecrets, &host(), WAY, &answer(status, body).unwrap());
        assert_eq!(kind, Kind::VaultUntrusted { host: host(), problem });
    }
}

#[test]
fn hostile_texts_stay_short_and_printable() {
    let hostile = format!("\u{1b}[2J oid=zz Client address: evil {}", "x".repeat(5000));
    let body = serde_json::json!({"error": {"code": hostile, "message": hostile}}).to_string();
    let denied = denied(refusal(&get(), &host(), WAY, &answer(403, &body).unwrap()));
    assert_eq!((denied.object_id, denied.address), (None, None));
    for text in [&denied.code, &denied.text] {
        assert!(text.len() <= 203 && text.chars().all(|c| (' '..='~').contains(&c)), "{text}");
    }
}

#[test]
fn a_refusal_that_repeats_what_was_sent_says_nothing() {
    let token = Secret::new(format!("eyJ0{}", "SENTINEL".repeat(8)).into_bytes());
    let sent = format!(r#"{{"alg":"RSA-OAEP","value":"{}"}}"#, "KEYBYTES".repeat(8));
    let sent = Secret::new(sent.into_bytes());
    let text = |message: &str| {
        let body = format!(r#"{{"error":{{"code":"BadParameter","message":"{message}"}}}}"#);
        let body = Secret::new(body.into_bytes());
        let response =
            Response { status: 400, retry_after: None, request_id: None, challenge: None, body };
        let response = without_echo(response, [&token, &sent].into_iter());
        String::from_utf8(response.body.expose().to_vec()).unwrap()
    };
    assert_eq!(text(&"SENTINEL".repeat(5)), "");
    assert_eq!(text(&format!("bad value {}", "KEYBYTES".repeat(6))), "");
    let harmless = text("the parameter alg, RSA-OAEP, is not supported: \\u0022value\\u0022");
    assert!(harmless.contains("not supported"), "{harmless}");
}
