//! Why what was given is not taken for a key.
//!
//! Each reason is one sentence about the text, never a piece of it: what is refused may still be
//! most of a key. Only the code and the message of an error answer are shown, made printable.

use std::fmt;

use crate::mapping::Format;
use crate::token;

/// One reason; the sentence follows the name of what was read (`standard input is empty`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A bearer token, bare or as the answer of a sign-in.
    AccessToken,
    /// An ADE passphrase that lost its end.
    AdeCut {
        /// How many of its 172 characters.
        missing: usize,
    },
    /// Base64 goes on behind padding: two texts in one.
    AfterPadding,
    /// Azure Backup kept only what a vault can restore.
    BackupBlob,
    /// A .BEK file that is damaged.
    Bek(BekProblem),
    /// Binary data of no known form.
    Binary {
        /// How many bytes.
        bytes: usize,
    },
    /// Base64 whose last character has bits set that belong to no byte.
    Bits,
    /// Not base64.
    Character {
        /// Which character, counted from 1.
        at: usize,
    },
    /// A member of a JSON object is there twice.
    Duplicate {
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1.
        column: usize,
    },
    /// Nothing, or white space alone.
    Empty,
    /// The answer is an error.
    Error {
        /// The error's code, printable; may be empty.
        code: String,
        /// Its message, printable and cut; may be empty.
        message: String,
    },
    /// A page for browsers, or XML.
    Html,
    /// A token with a passphrase that is not wrapped.
    InClear,
    /// An answer with the lines of HTTP above it.
    HttpHeader,
    /// Not JSON, though it begins like it.
    JsonBroken {
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1.
        column: usize,
    },
    /// JSON that ends too early.
    JsonCut,
    /// A piece of a JSON object.
    JsonPiece,
    /// A header without that keyslot.
    KeyslotMissing {
        /// Its number.
        keyslot: u32,
        /// Those that are in use.
        used: Vec<u32>,
    },
    /// A length that no encoder produces.
    Length {
        /// How many characters without white space and `=`.
        characters: usize,
    },
    /// A JSON list.
    List,
    /// Both alphabets of base64 in one text.
    MixedAlphabets,
    /// JSON without a member that holds a key.
    NoMember,
    /// A header without a LUKS2 token of a type that is known.
    NoToken,
    /// The member that should hold a key is no text.
    NotText {
        /// Its name.
        member: &'static str,
    },
    /// Said to be wrapped, and cannot be.
    NotWrapped {
        /// How many bytes it has.
        bytes: usize,
    },
    /// NUL characters in text.
    Nul,
    /// More than two `=` at the end.
    Padding,
    /// `=` before the end.
    PaddingInside,
    /// A certificate or a key of another kind.
    Pem,
    /// Nearly a recovery password of BitLocker.
    RecoveryPassword(PasswordProblem),
    /// Several keys, where one is needed.
    Several {
        /// How many.
        keys: usize,
    },
    /// Base64 of so few bytes that they are neither text nor key.
    Short {
        /// How many.
        bytes: usize,
    },
    /// Still wrapped, where a key is needed.
    StillWrapped {
        /// How many bytes.
        bytes: usize,
        /// The KEK that wrapped it, where that is known.
        kek: Option<String>,
    },
    /// A header that cannot have tokens.
    NoTokens {
        /// Whose it is.
        format: Format,
    },
    /// A LUKS2 token that is none; what is wrong with it.
    Token(token::Problem),
    /// A header without a token of that number whose type is known.
    TokenMissing {
        /// The number.
        number: u32,
    },
    /// A token whose key the header has in another one.
    TokenTwice {
        /// The number of that one.
        number: u32,
    },
    /// A LUKS2 token of ADE in a version nobody knows.
    TokenVersion {
        /// What it says, printable.
        version: String,
    },
    /// Longer than a key, or a document with keys, can be.
    TooLarge {
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// Two layers of base64 around a key.
    Twice,
    /// It could not be read at all; the system's words.
    Unreadable(String),
    /// Text in UTF-16.
    Utf16,
}

/// What is wrong with a .BEK file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BekProblem {
    /// An entry reaches beyond the end, or is too small for its head.
    Entry,
    /// There is no external key in it.
    NoKey,
    /// The header says another size than the file has.
    Size {
        /// In the header.
        said: usize,
        /// What is there.
        found: usize,
    },
    /// Another version of the format.
    Version,
}

/// What is wrong with a recovery password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordProblem {
    /// Not 48 digits.
    Digits(usize),
    /// A group whose check fails: not a multiple of 11, or 720896 and more.
    Group(usize),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessToken => f.write_str("is an access token, not a key"),
            Self::AdeCut { missing: 1 } => {
                f.write_str("holds an ADE passphrase that lacks its last character")
            }
            Self::AdeCut { missing } => {
                write!(f, "holds an ADE passphrase that lacks its last {missing} characters")
            }
            Self::AfterPadding => f.write_str("is base64 that goes on behind its ="),
            Self::BackupBlob => f.write_str("has no SecretData; its blobs are for a vault only"),
            Self::Bek(problem) => write!(f, "is a damaged .BEK file: {problem}"),
            Self::Binary { bytes } => {
                write!(f, "has {bytes} bytes that are no text, .BEK file or wrapped key")
            }
            Self::Bits => f.write_str("is base64 whose last character cannot be right"),
            Self::Character { at } => write!(f, "is no base64: see character {at}"),
            Self::Duplicate { line, column } => {
                write!(f, "is JSON with one member twice, line {line} column {column}")
            }
            Self::Empty => f.write_str("is empty"),
            Self::Error { code, message } => {
                f.write_str("is an error answer, not a key")?;
                for part in [code, message].into_iter().filter(|part| !part.is_empty()) {
                    write!(f, ": {part}")?;
                }
                Ok(())
            }
            Self::Html => f.write_str("is a web page or XML"),
            Self::InClear => f.write_str("has a passphrase in the clear"),
            Self::HttpHeader => f.write_str("begins with the header of an HTTP answer"),
            Self::JsonBroken { line, column } => {
                write!(f, "is no valid JSON, line {line} column {column}")
            }
            Self::JsonCut => f.write_str("is JSON that ends too early"),
            Self::JsonPiece => f.write_str("is a piece of JSON"),
            Self::KeyslotMissing { keyslot, used } => {
                let used: Vec<String> = used.iter().map(ToString::to_string).collect();
                write!(f, "has no keyslot {keyslot}, only {}", used.join(", "))
            }
            Self::Length { characters } => {
                write!(f, "has {characters} characters of base64, a length that cannot be")
            }
            Self::List => f.write_str("is a JSON list, not one answer"),
            Self::MixedAlphabets => {
                f.write_str("mixes both alphabets of base64 (+ or / and - or _)")
            }
            Self::NoMember => f.write_str("is JSON without a value"),
            Self::NoToken => {
                write!(f, "has no LUKS2 token of type {} or {}", token::TYPE, token::ADE_TYPE)
            }
            Self::NotText { member } => write!(f, "is JSON whose \"{member}\" is no text"),
            Self::NotWrapped { bytes } => {
                write!(f, "should be wrapped, but {bytes} bytes are no wrapped key")
            }
            Self::Nul => f.write_str("is text with NUL characters in it"),
            Self::Padding => f.write_str("is base64 with more than two = at its end"),
            Self::PaddingInside => f.write_str("is base64 with a = before its end"),
            Self::Pem => f.write_str("is PEM: a certificate or a key of another kind"),
            Self::RecoveryPassword(problem) => {
                write!(f, "is no recovery password of BitLocker: {problem}")
            }
            Self::Several { keys } => write!(f, "holds {keys} different keys"),
            Self::Short { bytes: 1 } => f.write_str("decodes to 1 byte, neither text nor a key"),
            Self::Short { bytes } => {
                write!(f, "decodes to {bytes} bytes, neither text nor a key")
            }
            Self::StillWrapped { bytes, kek: None } => {
                write!(f, "is still wrapped ({bytes} bytes)")
            }
            Self::StillWrapped { bytes, kek: Some(kek) } => {
                write!(f, "is still wrapped ({bytes} bytes) by {kek}")
            }
            Self::NoTokens { format: Format::Bitlk } => {
                f.write_str("is BitLocker's, which has no tokens")
            }
            Self::NoTokens { format } => write!(f, "is {format}, which has no tokens"),
            Self::Token(problem) => write!(f, "is no usable LUKS2 token: {problem}"),
            Self::TokenMissing { number } => write!(f, "has no such token {number}"),
            Self::TokenTwice { number } => write!(f, "has the key that token {number} has already"),
            Self::TokenVersion { version } => {
                write!(f, "is a token of ADE in the unknown version \"{version}\"")
            }
            Self::TooLarge { limit } => write!(f, "has more than {} KiB", limit / 1024),
            Self::Twice => f.write_str("has a key below two layers of base64"),
            Self::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
            Self::Utf16 => f.write_str("is text in UTF-16"),
        }
    }
}

impl fmt::Display for BekProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry => f.write_str("an entry reaches beyond its end"),
            Self::NoKey => f.write_str("there is no external key in it"),
            Self::Size { said, found } => {
                write!(f, "its header says {said} bytes, {found} are there")
            }
            Self::Version => f.write_str("its header has another version or size"),
        }
    }
}

impl fmt::Display for PasswordProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digits(digits) => write!(f, "it has {digits} digits, not 48"),
            Self::Group(group) => write!(f, "group {group} of 8 is mistyped"),
        }
    }
}
