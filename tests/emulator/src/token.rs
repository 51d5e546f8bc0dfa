//! Access tokens: opaque random strings bound to an identity, an audience and a lifetime.
//!
//! Real tokens are JWTs, but clients must not look inside ("Managed identity: token is opaque"),
//! so these have nothing inside. IMDS caches tokens, and so does this store: the same identity
//! and resource get the same token until it expires or `bypass_cache` is asked for.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{
    random,
    scenario::{Identity, TokenPolicy},
};

/// Tokens handed out so far.
#[derive(Default)]
pub(crate) struct Tokens {
    issued: HashMap<String, Token>,
}

/// What the emulator knows about a token.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) audience: String,
    expires: Instant,
    pub(crate) identity: Identity,
    pub(crate) tenant: String,
    uses_left: Option<u32>,
}

/// What an `Authorization` header amounts to.
pub(crate) enum Bearer {
    /// No header, or not the Bearer scheme.
    Absent,
    /// Was good once.
    Expired,
    /// Issued here and alive.
    Good(Token),
    /// Never issued here.
    Unknown,
}

impl Token {
    fn is_expired(&self) -> bool {
        self.uses_left == Some(0) || self.expires <= Instant::now()
    }

    /// Whole seconds until expiry.
    pub(crate) fn seconds_left(&self) -> u64 {
        self.expires.saturating_duration_since(Instant::now()).as_secs()
    }
}

impl Tokens {
    /// A token for an identity and audience, from the cache when one is alive.
    pub(crate) fn issue(
        &mut self,
        identity: &Identity,
        tenant: &str,
        audience: &str,
        policy: &TokenPolicy,
        bypass_cache: bool,
    ) -> (String, Token) {
        let cached = self.issued.iter().find(|(_, token)| {
            token.identity == *identity && token.audience == audience && !token.is_expired()
        });
        if let Some((text, token)) = cached.filter(|_| !bypass_cache) {
            return (text.clone(), token.clone());
        }
        let token = Token {
            audience: audience.to_owned(),
            expires: Instant::now() + Duration::from_secs(policy.lifetime_seconds),
            identity: identity.clone(),
            tenant: tenant.to_owned(),
            uses_left: policy.max_uses,
        };
        // As long as a real one (1.3 to 2 KiB), so that buffers for it are sized honestly.
        let text = format!("emulated.{}", random::hex(720));
        self.issued.insert(text.clone(), token.clone());
        (text, token)
    }

    /// Judges an `Authorization` header and counts a use of a good token.
    pub(crate) fn redeem(&mut self, authorization: Option<&str>) -> Bearer {
        let Some(text) = authorization.and_then(bearer) else {
            return Bearer::Absent;
        };
        let Some(token) = self.issued.get_mut(text) else {
            return Bearer::Unknown;
        };
        if token.is_expired() {
            return Bearer::Expired;
        }
        let good = token.clone();
        token.uses_left = token.uses_left.map(|left| left.saturating_sub(1));
        Bearer::Good(good)
    }

    /// The header in words that give nothing away, for the request log.
    pub(crate) fn describe(&self, authorization: Option<&str>) -> String {
        match authorization {
            None => "absent".to_owned(),
            Some(header) => match bearer(header).map(|text| self.issued.get(text)) {
                Some(Some(token)) => format!("Bearer present: audience {}", token.audience),
                Some(None) => "Bearer present: unknown token".to_owned(),
                None => "present: not Bearer".to_owned(),
            },
        }
    }

    /// Every token handed out so far.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.issued.keys().cloned().collect()
    }

    /// Makes every token handed out so far expired.
    pub(crate) fn expire_all(&mut self) {
        for token in self.issued.values_mut() {
            token.uses_left = Some(0);
        }
    }
}

/// The credential of the Bearer scheme, whose name has no case (RFC 9110 section 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, credential) = header.split_once(' ')?;
    let credential = credential.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !credential.is_empty()).then_some(credential)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(tokens: &mut Tokens, policy: &TokenPolicy) -> String {
        let identity = Identity::default();
        tokens.issue(&identity, "t", "https://vault.azure.net", policy, false).0
    }

    #[test]
    fn a_token_is_used_up() {
        let policy = TokenPolicy { max_uses: Some(1), ..TokenPolicy::default() };
        let mut tokens = Tokens::default();
        let header = format!("Bearer {}", issue(&mut tokens, &policy));
        assert!(matches!(tokens.redeem(Some(&header)), Bearer::Good(_)));
        assert!(matches!(tokens.redeem(Some(&header)), Bearer::Expired));
    }

    #[test]
    fn live_tokens_are_cached_and_dead_ones_are_not() {
        let mut tokens = Tokens::default();
        let policy = TokenPolicy::default();
        let first = issue(&mut tokens, &policy);
        assert_eq!(issue(&mut tokens, &policy), first);
        tokens.expire_all();
        assert_ne!(issue(&mut tokens, &policy), first);
    }

    #[test]
    fn the_description_has_no_token_in_it() {
        let mut tokens = Tokens::default();
        let text = issue(&mut tokens, &TokenPolicy::default());
        let description = tokens.describe(Some(&format!("Bearer {text}")));
        assert_eq!(description, "Bearer present: audience https://vault.azure.net");
        let unknown = tokens.describe(Some("Bearer hunter2"));
        assert_eq!(unknown, "Bearer present: unknown token");
        assert_eq!(tokens.describe(Some("Basic eA==")), "present: not Bearer");
    }
}
