//! Wrapped keys, and documents that hold one or an error.

use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde_json::Value;

use super::*;

pub fn table() -> Vec<Row> {
    [wrapped(), documents(), errors()].concat()
}

fn wrapped() -> Vec<Row> {
    let still = |bytes: usize| format!("is still wrapped ({bytes} bytes)");
    let by = |bytes: usize| format!("is still wrapped ({bytes} bytes) by {KEK}");
    let secret = |value: &str, content: &str, kek: Value| {
        json!({"id": "https://contoso-kv.vault.azure.net/secrets/bek-1/89ab", "value": value,
               "contentType": content, "tags": {"DiskEncryptionKeyEncryptionKeyURL": kek}})
        .to_string()
    };
    let no_wrapped =
        |bytes: usize| format!("should be wrapped, but {bytes} bytes are no wrapped key");
    let w = |length: usize| random(length as u64, length);
    vec![
        row("wrapped by RSA 2048", url(w(256)), still(256)),
        row("wrapped by RSA 3072", url(w(384)), still(384)),
        row("wrapped by RSA 4096", url(w(512)), still(512)),
        row("wrapped, standard base64", BASE64_STANDARD.encode(w(256)), still(256)),
        row("wrapped, unpadded", BASE64_STANDARD_NO_PAD.encode(w(256)), still(256)),
        row("wrapped, binary", w(256), still(256)),
        row("wrapped, binary, RSA 4096", w(512), still(512)),
        row("wrapKey's answer", json!({"kid": KEK, "value": url(w(256))}).to_string(), by(256)),
        row("a wrapped secret", secret(&url(w(256)), "Wrapped BEK", json!(KEK)), by(256)),
        row(
            "a wrapped secret without KEK",
            secret(&url(w(384)), "Wrapped BEK", json!(null)),
            still(384),
        ),
        row("a secret of dual pass", secret(&url(w(256)), "", json!(null)), still(256)),
        row(
            "a wrapped secret that is cut",
            secret(&url(&w(256)[..255]), "Wrapped BEK", json!(KEK)),
            no_wrapped(255),
        ),
        row(
            "a plain secret said to be wrapped",
            secret(&value(), "Wrapped BEK", json!(null)),
            no_wrapped(172),
        ),
        row("a plain secret with a KEK", secret(&value(), "BEK", json!(KEK)), no_wrapped(172)),
        row(
            "a wrapped secret, no base64",
            secret("!", "Wrapped BEK", json!(KEK)),
            "is no base64: see character 1",
        ),
        row(
            "a token of a confidential VM",
            json!({"type": "Azure_Disk_Encryption", "version": "1.0", "KeyEncryptionKeyURL": KEK,
                   "PassphraseName": "LUKSPasswordProtector",
                   "Passphrase": BASE64_STANDARD.encode(w(256))})
            .to_string(),
            by(256),
        ),
        row(
            "a token with a plain passphrase said to be wrapped",
            json!({"type": "Azure_Disk_Encryption", "PassphraseName": "LUKSPasswordProtector",
                   "Passphrase": ade()})
            .to_string(),
            no_wrapped(127),
        ),
    ]
}

fn documents() -> Vec<Row> {
    let answer = json!({"kid": KEK, "value": value()}).to_string();
    let no_value = "is JSON without a value";
    let disk = |seed: u64, kek: &str| json!({"SecretData": url(BASE64_STANDARD.encode(random(seed, 127))), "KeyUrl": kek});
    let twice = |line: usize, column: usize| {
        format!("is JSON with one member twice, line {line} column {column}")
    };
    vec![
        row("a cut answer", &answer[..answer.len() - 1], "is JSON that ends too early"),
        row("an answer cut in its value", &answer[..answer.len() / 2], "is JSON that ends too early"),
        row("an opening brace", "{", "is JSON that ends too early"),
        row("an opening bracket", "[", "is JSON that ends too early"),
        row("two answers", format!("{answer}{answer}"), format!("is no valid JSON, line 1 column {}", answer.len() + 1)),
        row("an answer with a prompt behind it", format!("{answer}\n$ "), "is no valid JSON, line 2 column 1"),
        row("a comma too many", r#"{"value": "QUJD",}"#, "is no valid JSON, line 1 column 18"),
        row("single quotation marks", "{'value': 'QUJD'}", "is no valid JSON, line 1 column 2"),
        row("no quotation marks", "{value: QUJD}", "is no valid JSON, line 1 column 2"),
        row("a line break in a string", "{\"value\": \"QU\nJD\"}", "is no valid JSON, line 2 column 0"),
        row("nested too deep", "[".repeat(200), "is no valid JSON, line 1 column 128"),
        row("a broken string", "\"QU\\qJD\"", "is no valid JSON, line 1 column 5"),
        row("a piece", format!("\"value\": \"{}\"", value()), "is a piece of JSON"),
        row("a piece with a comma", format!("  \"value\":\"{}\",", value()), "is a piece of JSON"),
        row("value twice", r#"{"value": "QUJD", "value": "QUJE"}"#, twice(1, 25)),
        row("value twice in other case", "{\"value\": \"QUJD\",\n \"Value\": \"QUJE\"}", twice(2, 8)),
        row("a tag twice", r#"{"value":"QUJD","tags":{"a":"","a":""}}"#, twice(1, 34)),
        row("an empty object", "{}", no_value),
        row("a value that is null", r#"{"kid": null, "value": null}"#, no_value),
        row("a key's public part", json!({"key": {"kid": KEK, "n": "QUJD", "e": "AQAB"}}).to_string(), no_value),
        row("a token of another type", r#"{"type":"clevis","keyslots":["1"]}"#, no_value),
        row("a token without passphrase", r#"{"type":"Azure_Disk_Encryption"}"#, no_value),
        row(
            "a token of another version",
            "{\"type\":\"Azure_Disk_Encryption\",\"version\":\"2.0\\u001b\",\"Passphrase\":\"\"}",
            "is a token of ADE in the unknown version \"2.0?\"",
        ),
        row("an empty value", r#"{"value": ""}"#, "is empty"),
        row("a number for a value", r#"{"value": 7}"#, "is JSON whose \"value\" is no text"),
        row("a list of secrets", r#"{"value": [{"id": "x"}], "nextLink": null}"#, "is JSON whose \"value\" is no text"),
        row("bytes that are none", r#"{"RawResult": [1, 256]}"#, "is JSON whose \"RawResult\" is no text"),
        row("no bytes", r#"{"RawResult": []}"#, "is JSON whose \"RawResult\" is no text"),
        row("few bytes", r#"{"RawResult": [255, 254]}"#, "decodes to 2 bytes, neither text nor a key"),
        row("an object for a result", r#"{"result": {}}"#, "is JSON whose \"result\" is no text"),
        row("a list", format!("[{answer}]"), "is a JSON list, not one answer"),
        row("a value cut", json!({"kid": KEK, "value": &value()[..225]}).to_string(), length(225)),
        row(
            "two disks",
            json!({"OsDiskKeyAndSecretDetails": disk(1, ""), "Data": [disk(2, "")]}).to_string(),
            "holds 2 different keys",
        ),
        row(
            "a backup whose secret is not wrapped",
            json!({"OsDiskKeyAndSecretDetails": disk(1, KEK)}).to_string(),
            "should be wrapped, but 172 bytes are no wrapped key",
        ),
        row(
            "a backup of blobs",
            json!({"OsDiskKeyAndSecretDetails": {"SecretData": null, "KeyVaultSecretBackupData": "QUJD"}}).to_string(),
            "has no SecretData; its blobs are for a vault only",
        ),
        row(
            "a wrapped backup",
            json!({"OsDiskKeyAndSecretDetails": {"SecretData": url(random(5, 256)), "KeyUrl": KEK}}).to_string(),
            format!("is still wrapped (256 bytes) by {KEK}"),
        ),
    ]
}

fn errors() -> Vec<Row> {
    let error = |code: &str, inner: Value, message: &str| {
        json!({"error": {"code": code, "message": message, "innererror": inner}}).to_string()
    };
    let disabled = "Operation decrypt is not allowed on a disabled key.";
    vec![
        row(
            "an error",
            error("BadParameter", json!(null), "The parameter is incorrect."),
            "is an error answer, not a key: BadParameter: The parameter is incorrect.",
        ),
        row(
            "an inner error",
            error("Forbidden", json!({"code": "KeyDisabled"}), disabled),
            format!("is an error answer, not a key: KeyDisabled: {disabled}"),
        ),
        row(
            "an error that steers",
            error("\u{1b}[2J", json!(null), ""),
            "is an error answer, not a key: ?[2J",
        ),
        row(
            "a long error",
            error("Forbidden", json!(null), &"x".repeat(5000)),
            format!("is an error answer, not a key: Forbidden: {}...", "x".repeat(200)),
        ),
        row("an empty error", r#"{"error": {}}"#, "is an error answer, not a key"),
        row(
            "an error of Entra",
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret"}"#,
            "is an error answer, not a key: invalid_client: AADSTS7000215: Invalid client secret",
        ),
        row(
            "a token's answer",
            r#"{"token_type":"Bearer","expires_in":3599,"access_token":"eyJ0eXAiOiJKV1Qi.eyJhdWQi.c2ln"}"#,
            "is an access token, not a key",
        ),
        row(
            "a token of az",
            r#"{"accessToken":"eyJ0eXAiOiJKV1Qi.eyJhdWQi.c2ln","tokenType":"Bearer"}"#,
            "is an access token, not a key",
        ),
        row("a bare token", "eyJ0eXAiOiJKV1Qi.eyJhdWQi.c2ln", "is an access token, not a key"),
    ]
}
