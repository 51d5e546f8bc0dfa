//! What people paste that is no key: name, input, and the cause after `standard input`.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{KEK, ade, bek, random, value};

type Row = (&'static str, Vec<u8>, String);

const PASSWORD: &str = "000011-000022-111111-222222-333333-444444-555555-720885";

/// All of them.
pub fn table() -> Vec<Row> {
    [base64(), below(), wrapped(), documents(), errors(), bitlocker(), other()].concat()
}

fn row(name: &'static str, input: impl AsRef<[u8]>, cause: impl Into<String>) -> Row {
    (name, input.as_ref().to_vec(), cause.into())
}

fn url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// `value` with one character put in at `at`.
fn with(at: usize, character: char) -> String {
    let mut text = value();
    text.insert(at, character);
    text
}

fn length(characters: usize) -> String {
    format!("has {characters} characters of base64, a length that cannot be")
}

fn base64() -> Vec<Row> {
    let value = value();
    let (mixed, plus) =
        ("is base64 with a = before its end", "is base64 that goes on behind its =");
    let alphabets = "mixes both alphabets of base64 (+ or / and - or _)";
    let bits = "is base64 whose last character cannot be right";
    let no_base64 = |at: usize| format!("is no base64: see character {at}");
    // 230 characters, of which the last one holds four bits that belong to no byte.
    let changed = |last: char| format!("{}{last}", &value[..229]);
    vec![
        row("one character lost at the end", &value[..229], length(229)),
        row("one character lost at the start", &value[1..], length(229)),
        row("five characters lost", &value[..225], length(225)),
        row("one character doubled in 231", format!("{value}AAA"), length(233)),
        row("one letter", "A", length(1)),
        row("five letters with padding", "QUJDR===", length(5)),
        row("lost and padded", format!("{}===", &value[..229]), length(229)),
        row(
            "three = at the end",
            format!("{value}==="),
            "is base64 with more than two = at its end",
        ),
        row(
            "four = at the end",
            format!("{value}===="),
            "is base64 with more than two = at its end",
        ),
        row("= alone", "==", "is empty"),
        row("= at the start", with(0, '='), mixed),
        row("= after a whole group", with(4, '='), mixed),
        row("= after one of a group", with(5, '='), mixed),
        row("= after two of a group", with(6, '='), plus),
        row("= after three of a group", with(7, '='), plus),
        row("two values", format!("{value}==\n{value}=="), plus),
        row("two values, one with padding", format!("{value}== {value}"), plus),
        row("a word behind the padding", format!("{value}== ok"), plus),
        row("both alphabets", "-/+_", alphabets),
        row("both alphabets far apart", format!("+{value}-A"), alphabets),
        row(
            "plus and underscore",
            BASE64_STANDARD.encode([0xfb; 30]).replacen('+', "_", 1),
            alphabets,
        ),
        row("the last character changed", changed('R'), bits),
        row("the last character changed again", changed('_'), bits),
        row("two letters with bits left", "QR", bits),
        row("three letters with bits left", "QUF=", bits),
        row("a full stop", with(17, '.'), no_base64(18)),
        row("a comma at the end", format!("{value},"), no_base64(231)),
        row("a semicolon", format!("{value};"), no_base64(231)),
        row("a percent sign of a URL", format!("{value}%3D%3D"), no_base64(231)),
        row("a backslash and n", format!("{value}\\n"), no_base64(231)),
        row("a quotation mark at the start", format!("\"{value}"), no_base64(1)),
        row("a quotation mark at the end", format!("{value}\""), no_base64(231)),
        row("two kinds of quotation marks", format!("\"{value}'"), no_base64(1)),
        row("typographic quotation marks", format!("\u{201c}{value}\u{201d}"), no_base64(1)),
        row("an umlaut", with(3, '\u{e4}'), no_base64(4)),
        row("a zero width space", with(3, '\u{200b}'), no_base64(4)),
        row("an ellipsis", with(100, '\u{2026}'), no_base64(101)),
        row("three dots", format!("{}...{}", &value[..9], &value[9..]), no_base64(10)),
        row("a command before it", format!("$ echo {value}"), no_base64(1)),
        row("a label before it", format!("value: {value}"), no_base64(6)),
        row("a number sign", "#comment", no_base64(1)),
        row("quotation marks around nothing", "\"\"", "is empty"),
        row("quotation marks around blanks", "' \t '", "is empty"),
    ]
}

fn below() -> Vec<Row> {
    let short = |bytes: usize| format!("decodes to {bytes} bytes, neither text nor a key");
    let ade = ade();
    let cut = |missing: usize| {
        format!("holds an ADE passphrase that lacks its last {missing} characters")
    };
    let twice = "has a key below two layers of base64";
    vec![
        row("a word", "password", short(6)),
        row("two words", "hunter22 hunter22", short(12)),
        row("one byte", "_w==", "decodes to 1 byte, neither text nor a key"),
        row("fifteen bytes", url([0xff; 15]), short(15)),
        row(
            "a passphrase without its last character",
            url(&ade[..171]),
            "holds an ADE passphrase that lacks its last character",
        ),
        row("a passphrase without its =", url(&ade[..170]), cut(2)),
        row("a passphrase without three", url(&ade[..169]), cut(3)),
        row("a passphrase without five", url(&ade[..167]), cut(5)),
        row("a passphrase without seven", BASE64_STANDARD.encode(&ade[..165]), cut(7)),
        row("two layers", url(url(&ade)), twice),
        row("two layers, standard", BASE64_STANDARD.encode(BASE64_STANDARD.encode(&ade)), twice),
        row("two layers around a .BEK file", url(BASE64_STANDARD.encode(bek::file())), twice),
        row(
            "two layers in an answer",
            json!({"kid": KEK, "value": url(value())}).to_string(),
            twice,
        ),
    ]
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

fn bitlocker() -> Vec<Row> {
    let bek = bek::file();
    let damaged = |at: usize, byte: u8| {
        let mut bytes = bek.clone();
        bytes.splice(at..=at, [byte]);
        bytes
    };
    let size = |said: usize, found: usize| {
        format!("is a damaged .BEK file: its header says {said} bytes, {found} are there")
    };
    let digits = |digits: usize| {
        format!("is no recovery password of BitLocker: it has {digits} digits, not 48")
    };
    let group = |group: usize| {
        format!("is no recovery password of BitLocker: group {group} of 8 is mistyped")
    };
    let entry = "is a damaged .BEK file: an entry reaches beyond its end";
    vec![
        row("a .BEK file that is cut", &bek[..199], size(200, 199)),
        row("a .BEK file cut after its header", &bek[..48], size(200, 48)),
        row("a .BEK file with a line end", [&bek[..], b"\n"].concat(), size(200, 201)),
        row("an unwrapped .BEK file that is cut", url(&bek[..180]), size(200, 180)),
        row(
            "a .BEK file of another version",
            damaged(4, 2),
            "is a damaged .BEK file: its header has another version or size",
        ),
        row("a .BEK file with another copy of its size", damaged(12, 201), size(201, 200)),
        row("a .BEK file with a large entry", damaged(48, 200), entry),
        row("a .BEK file with a large inner entry", damaged(80, 255), entry),
        row(
            "a .BEK file without key",
            damaged(52, 8),
            "is a damaged .BEK file: there is no external key in it",
        ),
        row("a recovery password with a typo", PASSWORD.replace("111111", "111112"), group(3)),
        row(
            "a recovery password with a large group",
            PASSWORD.replace("720885", "999999"),
            group(8),
        ),
        row(
            "a recovery password without hyphens, with a typo",
            PASSWORD.replace('-', "").replace("720885", "720886"),
            group(8),
        ),
        row("a recovery password that lacks a digit", &PASSWORD[..54], digits(47)),
        row("a recovery password that lacks a group", &PASSWORD[7..], digits(42)),
        row("a recovery password with a digit too many", format!("{PASSWORD}1"), digits(49)),
    ]
}

fn other() -> Vec<Row> {
    let utf16 = |text: &str, big: bool| -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|c| if big { c.to_be_bytes() } else { c.to_le_bytes() })
            .collect()
    };
    let answer = json!({"kid": KEK, "value": value()}).to_string();
    let page = "is a web page or XML";
    vec![
        row("nothing", "", "is empty"),
        row("line ends", "\r\n\n", "is empty"),
        row("a byte order mark alone", "\u{feff}", "is empty"),
        row("UTF-16 with mark", utf16(&format!("\u{feff}{answer}"), false), "is text in UTF-16"),
        row(
            "UTF-16 with mark, big",
            utf16(&format!("\u{feff}{}", value()), true),
            "is text in UTF-16",
        ),
        row("a mark of UTF-16 alone", [0xff, 0xfe], "is text in UTF-16"),
        row(
            "UTF-16 with letters",
            utf16("\u{feff}{\"a\": \"\u{4e2d}\"}", false),
            "is text in UTF-16",
        ),
        row("UTF-16 without mark", utf16(&value(), false), "is text in UTF-16"),
        row("UTF-16 without mark, big", utf16(&answer, true), "is text in UTF-16"),
        row("a NUL at the end", format!("{}\0", value()), "is text with NUL characters in it"),
        row(
            "a NUL inside",
            format!("{}\0{}", &value()[..9], &value()[9..]),
            "is text with NUL characters in it",
        ),
        row(
            "binary data",
            random(3, 100),
            "has 100 bytes that are no text, .BEK file or wrapped key",
        ),
        row(
            "binary data like a key",
            random(3, 172),
            "has 172 bytes that are no text, .BEK file or wrapped key",
        ),
        row("zeros", [0; 256], "is still wrapped (256 bytes)"),
        row(
            "an escape sequence",
            format!("\u{1b}[0m{}", value()),
            "has 234 bytes that are no text, .BEK file or wrapped key",
        ),
        row("Latin-1", b"caf\xe9", "has 4 bytes that are no text, .BEK file or wrapped key"),
        row(
            "a certificate",
            "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n",
            "is PEM: a certificate or a key of another kind",
        ),
        row(
            "a private key",
            "-----BEGIN RSA PRIVATE KEY-----\nQUJD\n",
            "is PEM: a certificate or a key of another kind",
        ),
        row(
            "a web page",
            "<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>",
            page,
        ),
        row("a web page without head", "\n <HTML><body>502 Bad Gateway</body></HTML>", page),
        row("XML", "<?xml version=\"1.0\"?><Error><Code>x</Code></Error>", page),
        row(
            "curl -i",
            format!("HTTP/1.1 200 OK\r\nContent-Length: 292\r\n\r\n{answer}"),
            "begins with the header of an HTTP answer",
        ),
        row("HTTP/2", "HTTP/2 403 \r\n\r\n{}", "begins with the header of an HTTP answer"),
        row("a large text", "QUJD".repeat(16 * 1024 + 1), "has more than 64 KiB"),
        row(
            "a large document",
            format!("{{\"value\":\"{}\"}}", "QUJD".repeat(256 * 1024)),
            "has more than 1024 KiB",
        ),
        row("a large file", vec![0xff; 1024 * 1024 + 1], "has more than 1024 KiB"),
    ]
}
