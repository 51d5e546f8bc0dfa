//! What people paste that is no key: name, input, and the cause after `standard input`.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use super::{KEK, ade, bek, random, value};

mod documents;

type Row = (&'static str, Vec<u8>, String);

const PASSWORD: &str = "000011-000022-111111-222222-333333-444444-555555-720885";

/// All of them.
pub fn table() -> Vec<Row> {
    [base64(), below(), documents::table(), bitlocker(), other()].concat()
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
