//! What to do with a text that was given as a key, or to find one in, and was refused.

use crate::mapping::Format;
use crate::recovery::refusal::Refusal;

/// What to do with a text that holds no key, instead of pasting it again as it is.
pub(super) fn refused(refusal: &Refusal) -> &'static [&'static str] {
    match refusal {
        Refusal::AccessToken => {
            &["it is as secret as a key; the answer it gets from unwrapKey is what counts"]
        }
        Refusal::AdeCut { .. }
        | Refusal::AfterPadding
        | Refusal::Bits
        | Refusal::Character { .. }
        | Refusal::JsonCut
        | Refusal::Length { .. }
        | Refusal::MixedAlphabets
        | Refusal::Padding
        | Refusal::PaddingInside
        | Refusal::Short { .. } => {
            &["copy it again, all of it: it was cut, changed or mixed with other text"]
        }
        Refusal::BackupBlob => &[
            "restore the secret: az keyvault secret restore --help",
            "then take the value of the secret",
        ],
        Refusal::Bek(_) | Refusal::Binary { .. } => {
            &["copy it again as binary; no editor, no console in between"]
        }
        Refusal::Duplicate { .. } | Refusal::JsonBroken { .. } | Refusal::JsonPiece => {
            &["give the whole answer as it came, or only what its value's quotes hold"]
        }
        Refusal::Empty => &["did the command before it fail? look at what it said"],
        Refusal::Error { .. } => &["ask again when its reason is gone; see bek-unlock-messages(7)"],
        Refusal::Html => &["does a proxy or a sign-in page stand in between?"],
        Refusal::HttpHeader => &["leave the header out: curl without -i"],
        Refusal::List => &["lists hold no keys: az keyvault secret show --id URL gives one"],
        Refusal::NoMember | Refusal::NotText { .. } | Refusal::Pem => {
            &["give the answer of unwrapKey, or the secret with its value"]
        }
        Refusal::NoToken => &[
            "what it has: cryptsetup luksDump DEVICE",
            "only disks of confidential VMs and those that enroll gave one have such a token",
        ],
        Refusal::NotWrapped { .. } => &["is it the right secret? its tags say that it is wrapped"],
        Refusal::Nul => &["take them out first: tr -d '\\000'"],
        Refusal::RecoveryPassword(_) => {
            &["compare it: 8 groups of 6 digits, each a multiple of 11"]
        }
        Refusal::Several { .. } => &["give the object of one disk alone"],
        Refusal::StillWrapped { .. } => &[
            "only its KEK can open it: bek-unlock recover DEVICE --wrapped FILE asks it",
            "or send it to unwrapKey and decode the answer: docs/azure.md shows how",
        ],
        Refusal::NoTokens { format: Format::Bitlk } => &["its keys are Windows': manage-bde"],
        Refusal::NoTokens { .. } => &["convert it to LUKS2 first: cryptsetup convert --help"],
        Refusal::KeyslotMissing { .. } => {
            &["name one that is in use with --key-slot; see: cryptsetup luksDump DEVICE"]
        }
        Refusal::InClear => &["whoever sees the disk could open it; such a token is not added"],
        Refusal::TokenMissing { .. } => &["see which there are: bek-unlock token show DEVICE"],
        Refusal::TokenTwice { .. } => {
            &["nothing is left to do; to replace it, remove that one first"]
        }
        Refusal::Token(_) => &["see bek-unlock-token(8), THE TOKEN; it is read strictly"],
        Refusal::TokenVersion { .. } => &["a newer bek-unlock may know it"],
        Refusal::TooLarge { .. } => &["is this the right file? a key has 65,536 bytes at most"],
        Refusal::Twice => &["take the outer layer off first, if that is right: base64 -d"],
        Refusal::Utf16 => &["convert it first: iconv -f UTF-16 -t UTF-8"],
        Refusal::Unreadable(_) => &["give it a file or a pipe"],
    }
}
