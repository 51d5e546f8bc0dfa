//! Lists of secrets: the disk secrets of a vault, and the versions of one secret.
//!
//! Pages are followed only on the same host and below the same path, to a bounded number, so that
//! neither a hostile vault nor a broken one leads anywhere else or on for ever. Lists hold no
//! values.

use std::borrow::Cow;
use std::rc::Rc;

use serde::Deserialize;

use super::answer::Operation;
use super::attributes::{Attributes, RawAttributes};
use super::http::Method;
use super::id::{Host, SecretId, VaultUrl};
use super::tags::{DiskTags, RawTags};
use super::trust::TrustedHost;
use super::{Azure, Call, untrusted};
use crate::deadline::Deadline;
use crate::error::{Kind, printable};

/// 25 entries of 15 tags of twice 512 characters, with some air.
const PAGE_LIMIT: usize = 512 * 1024;
/// 25 secrets a page: 10,000 secrets. Pages may be short or even empty.
const PAGES: usize = 400;

/// A secret as a list shows it: without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSecret {
    /// With a version only in a list of versions.
    pub id: SecretId,
    /// Of the newest version, or of this one in a list of versions.
    pub attributes: Attributes,
    /// `BEK`, `Wrapped BEK`, anything, nothing.
    pub content_type: Option<String>,
    /// ADE's tags.
    pub tags: DiskTags,
}

/// The disk secrets of a vault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// How many secrets the vault has.
    pub seen: usize,
    /// Those that carry the tag `DiskEncryptionKeyFileName`.
    pub secrets: Vec<ListedSecret>,
}

impl Azure {
    /// All disk secrets of `vault`; asked once per vault and process.
    ///
    /// Needs `secrets/list`. Errors: `VaultDenied`, `VaultUnreachable`, `VaultUntrusted`, and those
    /// of getting a token.
    pub fn disk_secrets(
        &mut self,
        vault: &VaultUrl,
        deadline: &Deadline<'_>,
    ) -> Result<Rc<Listing>, Kind> {
        self.disk_secrets_telling(vault, deadline, |_| ())
    }

    /// The same, and after each page `tell` hears how many secrets were looked at so far.
    pub fn disk_secrets_telling(
        &mut self,
        vault: &VaultUrl,
        deadline: &Deadline<'_>,
        mut tell: impl FnMut(usize),
    ) -> Result<Rc<Listing>, Kind> {
        if let Some(known) = self.listings.get(vault) {
            return Ok(Rc::clone(known));
        }
        let host = self.trust.check(vault.host())?;
        let mut listing = Listing::default();
        self.pages(&host, "/secrets", deadline, |page| {
            listing.seen += page.len();
            listing.secrets.extend(page.into_iter().filter(|secret| secret.tags.file.is_some()));
            tell(listing.seen);
        })?;
        log::debug!(
            "{host}: {} of {} secrets are disk secrets",
            listing.secrets.len(),
            listing.seen,
            host = host.host()
        );
        let listing = Rc::new(listing);
        self.listings.insert(vault.clone(), Rc::clone(&listing));
        Ok(listing)
    }

    /// All versions of a secret, the newest first; Key Vault lists them unsorted.
    ///
    /// Needs `secrets/list`. Errors as for [`Azure::disk_secrets`].
    pub fn versions(
        &mut self,
        id: &SecretId,
        deadline: &Deadline<'_>,
    ) -> Result<Vec<ListedSecret>, Kind> {
        let host = self.trust.check(id.host())?;
        let path = format!("/secrets/{}/versions", id.name().as_str());
        let mut versions = Vec::new();
        self.pages(&host, &path, deadline, |page| {
            versions.extend(page.into_iter().filter(|version| {
                version.id.version().is_some() && version.id.name() == id.name()
            }));
        })?;
        versions.sort_by_key(|version| std::cmp::Reverse(version.attributes.created));
        Ok(versions)
    }

    fn pages(
        &mut self,
        host: &TrustedHost,
        path: &str,
        deadline: &Deadline<'_>,
        mut each: impl FnMut(Vec<ListedSecret>),
    ) -> Result<(), Kind> {
        let mut target = format!("{path}?api-version={}", super::API_VERSION);
        for _ in 0..PAGES {
            let call = Call {
                method: Method::Get,
                host,
                target: &target,
                body: None,
                limit: PAGE_LIMIT,
                operation: Operation::ListSecrets,
            };
            let response = self.ask(&call, deadline)?;
            let Some(page) = Page::parse(response.body.expose()) else {
                return Err(untrusted(host, "answer is no list of secrets"));
            };
            let secrets: Option<Vec<_>> =
                page.value.into_iter().map(|entry| entry.parse(host.host())).collect();
            each(secrets.ok_or_else(|| untrusted(host, "a listed secret is not of this vault"))?);
            let Some(link) = page.next_link.filter(|link| !link.is_empty()) else {
                return Ok(());
            };
            let Some(next) = next_target(&link, host.host(), path) else {
                let link = printable(&link, 60);
                return Err(untrusted(host, &format!("next page leads elsewhere: {link}")));
            };
            if next == target {
                return Err(untrusted(host, "next page is the same page"));
            }
            target = next;
        }
        Err(untrusted(host, &format!("list of secrets has more than {PAGES} pages")))
    }
}

/// Path and query of `nextLink`, if it is `https` on the same host and the same path.
fn next_target(link: &str, host: &Host, path: &str) -> Option<String> {
    let (scheme, rest) = link.split_at_checked(8)?;
    if !scheme.eq_ignore_ascii_case("https://") || link.len() > 8192 {
        return None;
    }
    let (authority, target) = rest.split_at_checked(rest.find('/')?)?;
    let named = Host::parse(authority.strip_suffix(":443").unwrap_or(authority))?;
    let (asked, query) = target.split_once('?')?;
    let same_path = asked.trim_end_matches('/').eq_ignore_ascii_case(path);
    let plain = query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    (named == *host && same_path && plain).then(|| target.to_owned())
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, default)]
    value: Vec<Entry<'a>>,
    #[serde(borrow, rename = "nextLink")]
    next_link: Option<Cow<'a, str>>,
}

impl<'a> Page<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "contentType")]
    content_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    attributes: Option<RawAttributes<'a>>,
    #[serde(borrow)]
    tags: Option<RawTags<'a>>,
}

impl Entry<'_> {
    fn parse(self, host: &Host) -> Option<ListedSecret> {
        Some(ListedSecret {
            id: SecretId::parse(&self.id).filter(|id| id.host() == host)?,
            attributes: self.attributes.unwrap_or_default().parse(),
            content_type: self.content_type.map(|kind| printable(&kind, 255)),
            tags: self.tags.as_ref().map(DiskTags::parse).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests;
