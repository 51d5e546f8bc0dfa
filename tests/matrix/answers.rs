//! What the services themselves say: refusals, another's answers, lists that lead nowhere, dates.

use serde_json::{Value, json};

use crate::case::{Case, Trouble, VAULT, VERSION, case};
use crate::plan::{Fault, Step};

const HOST: &str = "contoso-kv.vault.azure.net";

pub fn cases() -> Vec<Case> {
    [token(), secret(), list(), unwrap(), decode()].concat()
}

fn reply(status: u16, body: Value) -> Value {
    json!({"reply": {"status": status, "body": body}})
}

fn change(change: Value, back: Value) -> Trouble {
    Trouble::Change(change, back)
}

fn token() -> Vec<Case> {
    let new = |fault, what| case(Step::Token, fault, what);
    let once =
        |fault, what, action| new(fault, what).rule(Step::Token, json!(1), action).asked(1, 0);
    let body = |token: &str, kind: &str| {
        reply(200, json!({"access_token": token, "token_type": kind, "expires_in": "86399"}))
    };
    let identity = json!([{"name": "vm", "client_id": "6f1c0d52-0000-4000-8000-000000000001",
        "object_id": "6f1c0d52-0000-4000-8000-000000000002"}]);
    let user = |digit: u8| {
        json!({"name": format!("user{digit}"), "assigned": "user",
        "client_id": format!("6f1c0d52-0000-4000-8000-0000000001{digit:02}")})
    };
    let identities =
        |list: Value| change(json!({"set_identities": list}), json!({"set_identities": identity}));
    vec![
        // A VM without an identity is asked once more: it may be assigned while the VM starts.
        new(Fault::Refused, "no identity").trouble(identities(json!([]))).asked(2, 0)
            .exits(77, &["this VM has no usable managed identity: HTTP 400"]),
        new(Fault::Refused, "no identity, and no time to ask again").timeout(4)
            .trouble(identities(json!([]))).asked(1, 0)
            .exits(77, &["this VM has no usable managed identity: HTTP 400"]),
        new(Fault::Refused, "two identities, none named").trouble(identities(json!([user(1), user(2)])))
            .asked(1, 0).exits(77, &["Multiple user assigned identities"]),
        new(Fault::Absent, "the identity that is named").asked(2, 0)
            .options("identity=client-id:6f1c0d52-0000-4000-8000-0000000000aa")
            .exits(77, &["this VM has no usable managed identity: HTTP 400"]),
        once(Fault::Refused, "401", reply(401, json!({"error": "unauthorized"})))
            .exits(77, &["HTTP 401: unauthorized"]),
        once(Fault::Refused, "403 of a proxy", reply(403, Value::Null)).exits(77, &["HTTP 403"]),
        once(Fault::Refused, "405", reply(405, Value::Null)).exits(76, &["HTTP 405"]),
        new(Fault::Throttled, "404 once, the service restarts").rule(Step::Token, json!(1), reply(404, Value::Null)).asked(2, 2),
        new(Fault::Throttled, "410 once, the service is updated").rule(Step::Token, json!(1), reply(410, Value::Null)).asked(2, 2),
        new(Fault::Absent, "404 each time").timeout(2).rule(Step::Token, json!("forever"), reply(404, Value::Null))
            .asked_within(1..=8, 0..=0).exits(69, &["HTTP 404; gave up after"]),
        once(Fault::Wrong, "an empty token", body("", "Bearer")).exits(76, &["answer holds no token"]),
        once(Fault::Wrong, "a token with a line break", body("a\r\nX-Injected: b", "Bearer")).exits(76, &["answer holds no token"]),
        once(Fault::Wrong, "another kind of token", body("abc", "PoP")).exits(76, &["answer holds no token"]),
        once(Fault::Wrong, "another identity's token", json!({"reply": {"status": 200, "body": {
            "access_token": "abc", "token_type": "Bearer", "client_id": "6f1c0d52-0000-4000-8000-0000000000bb"}}}))
            .options("identity=client-id:6f1c0d52-0000-4000-8000-000000000001")
            .exits(77, &["asked for client id 6f1c0d52"]),
        // The vault refuses it once, and then IMDS is asked for another.
        new(Fault::Wrong, "a token nobody gave out, once").rule(Step::Token, json!(1), body("abc", "Bearer")).asked(2, 3),
        new(Fault::Wrong, "a token nobody gave out, each time").rule(Step::Token, json!("forever"), body("abc", "Bearer"))
            .asked_within(2..=2, 1..=2).exits(77, &["HTTP 401"]),
        new(Fault::Clock, "a token of no length of life").rule(Step::Token, json!(1), json!({"reply": {"status": 200,
            "body": {"access_token": "abc", "token_type": "Bearer", "expires_in": "0"}}})).asked(2, 3),
        new(Fault::Clock, "a date of 1970").rule(Step::Token, json!(1), json!({"reply": {"status": 503,
            "headers": {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}}})).asked(2, 2),
        new(Fault::Clock, "Retry-After in 2090").timeout(3).rule(Step::Token, json!("forever"), json!({"reply": {"status": 429,
            "headers": {"Retry-After": "Sun, 01 Jan 2090 00:00:00 GMT"}}})).asked_within(1..=8, 0..=0)
            .exits(69, &["HTTP 429; gave up after"]),
    ]
}

fn named(name: &str) -> String {
    format!("{VAULT}/secrets/{name}")
}

fn secret() -> Vec<Case> {
    let new = |fault, what, name: &str| case(Step::Secret, fault, what).key(named(name));
    let right = |fault, what: &'static str| new(fault, what, "wrapped");
    let certificate = |kind: &str| {
        change(
            json!({"set_certificate": {"vault": HOST, "certificate": kind}}),
            json!({"set_certificate": {"vault": HOST, "certificate": "valid"}}),
        )
    };
    let network = |kind: &str| {
        change(
            json!({"set_network": {"vault": HOST, "network": kind}}),
            json!({"set_network": {"vault": HOST, "network": "open"}}),
        )
    };
    let allowed = |secrets: Value, keys: Value| {
        change(
            json!({"set_permissions": {"vault": HOST, "permissions": [{"identity": "vm", "secrets": secrets, "keys": keys}]}}),
            json!({"set_permissions": {"vault": HOST, "permissions": [{"identity": "vm", "secrets": ["get", "list"], "keys": ["unwrapKey"]}]}}),
        )
    };
    let once =
        |fault, what: &'static str, action| right(fault, what).rule(Step::Secret, json!(1), action);
    let of =
        |id: &str| reply(200, json!({"id": id, "value": "YWJj", "attributes": {"enabled": true}}));
    let unsaid = |resource: &str| {
        json!({"reply": {"status": 401, "headers": {"WWW-Authenticate":
        format!("Bearer authorization=\"https://login.microsoftonline.com/x\", resource=\"{resource}\"")}}})
    };
    vec![
        new(Fault::Absent, "no such secret", "gone")
            .asked_within(1..=1, 1..=2)
            .exits(4, &["HTTP 404 SecretNotFound (gone)"]),
        right(Fault::Absent, "no such version")
            .key(format!("{}/00000000000000000000000000000000", named("wrapped")))
            .asked(1, 1)
            .exits(4, &["HTTP 404 SecretNotFound"]),
        new(Fault::Refused, "disabled", "disabled")
            .asked_within(1..=1, 1..=2)
            .exits(4, &["secret disabled is disabled"]),
        new(Fault::Clock, "expired by its own date", "expired").says(&["used all the same"]),
        new(Fault::Clock, "not valid yet by its own date", "early").says(&["used all the same"]),
        right(Fault::Refused, "no permission to get")
            .trouble(allowed(json!(["list"]), json!(["unwrapKey"])))
            .asked(1, 1)
            .exits(77, &["no permission secrets/get"]),
        right(Fault::Refused, "by the vault's firewall")
            .trouble(network("firewall"))
            .asked(1, 1)
            .exits(77, &["ForbiddenByFirewall"]),
        right(Fault::Refused, "by the vault's private link")
            .trouble(network("private_link"))
            .asked(1, 1)
            .exits(77, &["ForbiddenByConnection"]),
        once(Fault::Refused, "400", reply(400, Value::Null)).asked(1, 1).exits(76, &["HTTP 400"]),
        once(Fault::Wrong, "another secret", of(&named("plain/00000000000000000000000000000001")))
            .asked(1, 1)
            .exits(76, &["answer is another secret than asked for"]),
        once(
            Fault::Wrong,
            "another vault's",
            of("https://evil.vault.azure.net/secrets/wrapped/00000000000000000000000000000001"),
        )
        .asked(1, 1)
        .exits(76, &["contoso-kv.vault.azure.net: answer is "]),
        once(Fault::Wrong, "no URL for an id", of("wrapped"))
            .asked(1, 1)
            .exits(76, &["answer is no secret"]),
        once(
            Fault::Redirect,
            "its challenge asks for a token of another service",
            unsaid("https://storage.azure.com"),
        )
        .asked(1, 1)
        .exits(76, &["asks for a token of another service"]),
        new(Fault::Redirect, "its KEK is on no host of Azure's", "foreign-kek")
            .asked_within(1..=1, 1..=2)
            .exits(76, &["kek.example is no Key Vault host; no token was sent"]),
        right(Fault::Redirect, "to a vault on no host of Azure's")
            .key("https://kek.example/secrets/wrapped")
            .asked(0, 0)
            .exits(76, &["kek.example is no Key Vault host; no token was sent"]),
        right(Fault::Clock, "a certificate that has expired")
            .trouble(certificate("expired"))
            .asked(1, 0)
            .exits(76, &["certificate"]),
        right(Fault::Clock, "a certificate of 2090")
            .trouble(certificate("not_yet_valid"))
            .asked(1, 0)
            .exits(76, &["certificate"]),
        right(Fault::Wrong, "a certificate for another host")
            .trouble(certificate("wrong_name"))
            .asked(1, 0)
            .exits(76, &["certificate"]),
        right(Fault::Wrong, "a certificate of a CA nobody trusts")
            .trouble(certificate("other_ca"))
            .asked(1, 0)
            .exits(76, &["certificate"]),
        right(Fault::Absent, "no such host")
            .key("https://nowhere-kv.vault.azure.net/secrets/wrapped")
            .timeout(2)
            .asked(1, 0)
            .exits(69, &["name lookup failed"]),
        right(Fault::Absent, "no CA at all")
            .options("ca=/nonexistent/ca.pem")
            .asked(1, 0)
            .exits(76, &["no CA certificates in /nonexistent/ca.pem"]),
    ]
}

fn list() -> Vec<Case> {
    let new = |fault, what| case(Step::List, fault, what).by_tags();
    let of = |fault, what, vault: &str| {
        new(fault, what)
            .options(format!("vault=https://{vault}-kv.vault.azure.net,machine-name=web-1"))
    };
    let page = |value: Value, next: Value| reply(200, json!({"value": value, "nextLink": next}));
    let once =
        |fault, what, action| new(fault, what).rule(Step::List, json!(1), action).asked(1, 1);
    let allowed = |secrets: Value| {
        change(
            json!({"set_permissions": {"vault": HOST, "permissions": [{"identity": "vm", "secrets": secrets, "keys": ["unwrapKey"]}]}}),
            json!({"set_permissions": {"vault": HOST, "permissions": [{"identity": "vm", "secrets": ["get", "list"], "keys": ["unwrapKey"]}]}}),
        )
    };
    vec![
        new(Fault::Absent, "no secret of this machine")
            .options(format!("vault={VAULT},machine-name=db-9"))
            .asked(1, 1)
            .exits(4, &["none of 16 secrets has tags for"]),
        of(Fault::Absent, "an empty vault", "empty")
            .asked(1, 1)
            .exits(4, &["none of 0 secrets has tags for"]),
        of(Fault::Late, "on the third page", "paged").asked(1, 5),
        of(Fault::Oversized, "pages without end", "endless")
            .asked_within(1..=1, 2..=401)
            .exits(76, &["endless-kv.vault.azure.net: "]),
        of(Fault::Redirect, "the next page is on another host", "elsewhere")
            .asked(1, 1)
            .exits(76, &["next page leads elsewhere"]),
        once(
            Fault::Redirect,
            "the next page is at another path",
            page(json!([]), json!(format!("{VAULT}/keys?api-version=7.4"))),
        )
        .exits(76, &["next page leads elsewhere"]),
        once(
            Fault::Redirect,
            "the next page is not over TLS",
            page(json!([]), json!("http://contoso-kv.vault.azure.net/secrets?$skiptoken=x")),
        )
        .exits(76, &["next page leads elsewhere"]),
        once(
            Fault::Wrong,
            "a secret of another vault",
            page(json!([{"id": "https://evil.vault.azure.net/secrets/wrapped"}]), Value::Null),
        )
        .exits(76, &["a listed secret is not of this vault"]),
        once(Fault::Wrong, "no secrets in it", page(json!([{"name": "wrapped"}]), Value::Null))
            .exits(76, &["answer is no list of secrets"]),
        once(Fault::Refused, "404", reply(404, Value::Null)).exits(76, &["HTTP 404"]),
        new(Fault::Refused, "no permission to list")
            .trouble(allowed(json!(["get"])))
            .asked(1, 1)
            .exits(77, &["no permission secrets/list"]),
        of(Fault::Half, "the second page, once", "paged")
            .rule(Step::List, json!(1), json!("pass"))
            .rule(Step::List, json!(1), json!("half"))
            .asked(1, 6),
        of(Fault::Throttled, "the third page, each time", "paged")
            .timeout(2)
            .rule(Step::List, json!(2), json!("pass"))
            .rule(Step::List, json!("forever"), json!({"throttled": {}}))
            .asked_within(1..=1, 3..=10)
            .exits(69, &["HTTP 429; gave up after"]),
    ]
}

fn unwrap() -> Vec<Case> {
    let new = |fault, what| case(Step::Unwrap, fault, what);
    let once =
        |fault, what, action| new(fault, what).rule(Step::Unwrap, json!(1), action).asked(1, 2);
    let of = |fault, what, name: &str| new(fault, what).key(named(name));
    let kid = |key: &str| {
        reply(200, json!({"kid": format!("{VAULT}/keys/{key}/{VERSION}"), "value": "YWJj"}))
    };
    let no = change(
        json!({"set_permissions": {"vault": HOST, "permissions": [{"identity": "vm", "secrets": ["get", "list"], "keys": []}]}}),
        json!({"set_permissions": {"vault": HOST, "permissions": [{"identity": "vm", "secrets": ["get", "list"], "keys": ["unwrapKey"]}]}}),
    );
    vec![
        of(Fault::Absent, "no such KEK", "absent-kek")
            .asked_within(1..=1, 2..=4)
            .exits(4, &["HTTP 404 KeyNotFound"]),
        of(Fault::Refused, "the KEK is disabled", "disabled-kek")
            .asked_within(1..=1, 2..=4)
            .exits(77, &["KeyDisabled"]),
        of(Fault::Wrong, "another KEK than the one that wrapped it", "wrong-kek")
            .asked_within(1..=1, 2..=4)
            .exits(76, &["unwrapkey: HTTP 400"]),
        new(Fault::Refused, "no permission to unwrap")
            .trouble(no)
            .asked_within(1..=1, 2..=4)
            .exits(77, &["no permission keys/unwrapKey"]),
        once(Fault::Refused, "400", reply(400, Value::Null))
            .asked_within(1..=1, 2..=4)
            .exits(76, &["unwrapkey: HTTP 400"]),
        once(Fault::Refused, "409", reply(409, Value::Null)).exits(76, &["HTTP 409"]),
        once(Fault::Wrong, "another key answers", kid("second"))
            .exits(76, &["another key answered"]),
        once(
            Fault::Wrong,
            "no URL for the key",
            reply(200, json!({"kid": "kek", "value": "YWJj"})),
        )
        .exits(76, &["another key answered"]),
        new(Fault::Absent, "no such KEK, for a file")
            .wrapped_file()
            .options(format!("kek={VAULT}/keys/gone/{VERSION}"))
            .exits(4, &["HTTP 404 KeyNotFound"]),
        new(Fault::Wrong, "another KEK, for a file")
            .wrapped_file()
            .options(format!("kek={VAULT}/keys/second/{VERSION}"))
            .exits(76, &["unwrapkey: HTTP 400"]),
        new(Fault::Wrong, "another algorithm, for a file")
            .wrapped_file()
            .options(format!("kek={VAULT}/keys/kek/{VERSION},kek-algorithm=RSA-OAEP-256"))
            .exits(76, &["unwrapkey: HTTP 400"]),
        new(Fault::Throttled, "429 once, for a file")
            .wrapped_file()
            .rule(Step::Unwrap, json!(1), json!({"throttled": {}}))
            .asked(1, 2),
        new(Fault::Reset, "once, for a file")
            .wrapped_file()
            .rule(Step::Unwrap, json!(1), json!("reset"))
            .asked(1, 2),
    ]
}

/// From the vault's text to the passphrase's bytes.
fn decode() -> Vec<Case> {
    let new = |fault, what| case(Step::Decode, fault, what);
    let of = |fault, what, name: &str| new(fault, what).key(named(name));
    let value = |fault, what, text: &str| {
        new(fault, what).asked_within(1..=1, 2..=4).rule(
            Step::Unwrap,
            json!(1),
            reply(200, json!({"kid": format!("{VAULT}/keys/kek/{VERSION}"), "value": text})),
        )
    };
    let at = |fault, what, vault: &str| {
        new(fault, what).key(format!("https://{vault}-kv.vault.azure.net/secrets/wrapped"))
    };
    vec![
        at(Fault::Wrong, "padded, which no document says", "padded"),
        at(Fault::Wrong, "the standard alphabet", "standard"),
        at(Fault::Wrong, "line breaks in it", "spaced"),
        at(Fault::Wrong, "two pads too many", "twopad"),
        of(Fault::Wrong, "not wrapped at all", "plain").asked(1, 1),
        value(Fault::Garbage, "no base64", "!!!").exits(76, &["unwrapped key: is no base64 text"]),
        value(Fault::Absent, "nothing", "").exits(76, &["unwrapped key: is no base64 text"]),
        value(Fault::Half, "the first third of the key", "YzFHcFpiM21WbjA")
            .exits(2, &["does not fit the keyslot"]),
        value(Fault::Wrong, "another volume's key", "YW5vdGhlcg")
            .exits(2, &["does not fit the keyslot"]),
        value(Fault::Oversized, "ten thousand bytes", &"QUFB".repeat(3_334))
            .exits(2, &["does not fit the keyslot"]),
        of(Fault::Garbage, "a secret that is no base64", "unbased")
            .asked_within(1..=1, 1..=3)
            .exits(76, &["secret unbased: is no base64 text"]),
        of(Fault::Absent, "a secret without a byte", "empty-plain")
            .asked_within(1..=1, 1..=3)
            .exits(76, &["secret empty-plain: is no base64 text"]),
        of(Fault::Half, "a secret with the first bytes only", "half-plain")
            .asked_within(1..=1, 1..=3)
            .exits(2, &["does not fit the keyslot"]),
        of(Fault::Half, "a wrapped key of four bytes", "half-wrapped")
            .asked_within(1..=1, 1..=3)
            .exits(76, &["should be wrapped, but has no length RSA-OAEP gives"]),
        of(Fault::Wrong, "a KEK's tag that is no URL", "odd-kek")
            .asked_within(1..=1, 1..=3)
            .exits(76, &["its tag names no KEK in one version"]),
        of(Fault::Wrong, "an algorithm nobody knows", "odd-algorithm")
            .asked_within(1..=1, 1..=3)
            .exits(76, &["no known algorithm"]),
        of(Fault::Wrong, "another volume's wrapped key", "other")
            .asked_within(1..=1, 2..=4)
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Half, "the file with the wrapped key")
            .wrapped_file()
            .key("{dir}/keys/half-wrapped")
            .asked(0, 0)
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Garbage, "256 bytes that nobody wrapped")
            .wrapped_file()
            .key("{dir}/keys/garbage-wrapped")
            .exits(76, &["unwrapkey: HTTP 400"]),
        new(Fault::Wrong, "a file with another volume's wrapped key")
            .wrapped_file()
            .key("{dir}/keys/other-wrapped")
            .exits(2, &["does not fit the keyslot"]),
        new(Fault::Wrong, "a file that is not wrapped, and a KEK")
            .wrapped_file()
            .key("{dir}/keys/right")
            .asked(0, 0),
    ]
}
