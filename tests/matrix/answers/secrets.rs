//! What a vault answers when a secret is read, and when its secrets are listed.

use serde_json::{Value, json};

use super::{HOST, allowed, change, named, reply};
use crate::case::{Case, VAULT, case};
use crate::plan::{Fault, Step};

pub fn secret() -> Vec<Case> {
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
            .trouble(allowed(&["list"], &["unwrapKey"]))
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

pub fn list() -> Vec<Case> {
    let new = |fault, what| case(Step::List, fault, what).by_tags();
    let of = |fault, what, vault: &str| {
        new(fault, what)
            .options(format!("vault=https://{vault}-kv.vault.azure.net,machine-name=web-1"))
    };
    let page = |value: Value, next: Value| reply(200, json!({"value": value, "nextLink": next}));
    let once =
        |fault, what, action| new(fault, what).rule(Step::List, json!(1), action).asked(1, 1);
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
            .trouble(allowed(&["get"], &["unwrapKey"]))
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
