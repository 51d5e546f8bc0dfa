//! Azure as the unlock sees it: the instance metadata service, sign-in and Key Vault.
//!
//! [`Azure`] is the one client of a run. It holds the tokens and what was already answered, so
//! that nothing is asked twice: a boot by secret URL is three requests on two connections. It
//! never opens a connection itself (http.rs) and never lets a host without trust near a token
//! (trust.rs). The methods for secrets and keys are in vault.rs, list.rs
//! and write.rs; where tokens come from,
//! if not from the VM's managed identity, is auth.rs's.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::{Kind, TransportProblem, TrustProblem, short};
use crate::secret::Secret;
use crate::volume::Identity;

use answer::Operation;
use auth::{Credential, Exchange, ManagedIdentity};
use http::{Http, Method, Request, Response, Service};
use id::{Host, SecretId, VaultUrl};
use list::Listing;
use retry::{Policy, Verdict, failed, retry};
use trust::{Audience, Trust, TrustedHost};
use vault::VaultSecret;
use way::Way;

pub mod answer;
pub mod attributes;
pub mod auth;
pub mod base64;
pub mod date;
#[cfg(test)]
pub mod fake;
pub mod http;
pub mod id;
pub mod imds;
pub mod inventory;
pub mod json;
pub mod list;
pub mod matching;
pub mod retry;
pub mod sign_in;
pub mod tags;
pub mod trust;
pub mod vault;
pub mod way;
pub mod wrapped;
pub mod write;

/// Of Key Vault; stable and in every cloud.
const API_VERSION: &str = "7.4";
/// Name lookup, connection, TLS and answer. glibc asks a second name server after 5 s.
const TRY_TIMEOUT: Duration = Duration::from_secs(15);

/// The client of IMDS and Key Vault.
pub struct Azure {
    http: Box<dyn Http>,
    credential: Box<dyn Credential>,
    trust: Trust,
    random: fn() -> f64,
    tokens: BTreeMap<Audience, CachedToken>,
    secrets: HashMap<SecretId, Rc<VaultSecret>>,
    listings: HashMap<VaultUrl, Rc<Listing>>,
    vm_name: Option<Option<String>>,
}

/// What the client is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `identity=`; `None` lets IMDS choose the only one. Not used with another credential.
    pub identity: Option<Identity>,
    /// `vault-suffix=`.
    pub suffixes: Vec<Host>,
    /// Uniform in `0.0..1.0`; spreads retries, guards nothing.
    pub random: fn() -> f64,
}

struct CachedToken {
    secret: Rc<Secret>,
    /// On the deadline's clock.
    expires: Option<Duration>,
    /// Whether it replaced a token that Key Vault refused: it is the last one then.
    renewed: bool,
}

/// One request to a vault.
struct Call<'a> {
    method: Method,
    host: &'a TrustedHost,
    target: &'a str,
    body: Option<Secret>,
    limit: usize,
    operation: Operation,
}

impl Azure {
    /// A client that sends through `http` and signs in with the VM's managed identity.
    pub fn new(http: Box<dyn Http>, settings: Settings) -> Self {
        Self {
            http,
            credential: Box::new(ManagedIdentity::new(settings.identity)),
            trust: Trust::new(&settings.suffixes),
            random: settings.random,
            tokens: BTreeMap::new(),
            secrets: HashMap::new(),
            listings: HashMap::new(),
            vm_name: None,
        }
    }

    /// The same client with another way to sign in.
    pub fn signing_in_with(self, credential: Box<dyn Credential>) -> Self {
        Self { credential, ..self }
    }

    /// How it signs in, or signed in last.
    pub fn way(&self) -> Way {
        self.credential.way()
    }

    /// What `work` does while the identity `hint` asks, unless another one was chosen.
    ///
    /// The tokens of one identity are not the other's: what `work` gets is forgotten with it.
    pub fn as_identity<T>(
        &mut self,
        hint: Option<&Identity>,
        work: impl FnOnce(&mut Self) -> T,
    ) -> T {
        if hint.is_none() || !self.credential.ask_as(hint) {
            return work(self);
        }
        let tokens = std::mem::take(&mut self.tokens);
        let done = work(self);
        self.tokens = tokens;
        self.credential.ask_as(None);
        done
    }

    /// Whether `host` may be given a token; asks nobody.
    ///
    /// Errors: `VaultUntrusted`.
    pub fn check_host(&self, host: &Host) -> Result<(), Kind> {
        self.trust.check(host).map(|_| ())
    }

    /// Lets the network get ready to ask `host`; nothing comes of it where that may not be asked.
    pub fn expect(&mut self, host: &Host) {
        if let Ok(host) = self.trust.check(host) {
            self.http.expect(&host);
        }
    }

    /// The name of this VM's resource, from IMDS; `None` when it has no usable one.
    ///
    /// Errors: `MetadataUnreachable`, `MetadataUntrusted`.
    pub fn vm_name(&mut self, deadline: &Deadline<'_>) -> Result<Option<String>, Kind> {
        if let Some(known) = &self.vm_name {
            return Ok(known.clone());
        }
        let name = imds::vm_name(self.http.as_mut(), self.random, deadline)?;
        self.vm_name = Some(name.clone());
        Ok(name)
    }

    /// Sends `call` with a token until there is an answer 200.
    ///
    /// A 401 is answered by one new token, if there is another one to be had; a 401 that asks for a token of
    /// another audience is an attack or a mistake and ends it.
    fn ask(&mut self, call: &Call<'_>, deadline: &Deadline<'_>) -> Result<Response, Kind> {
        let audience = call.host.audience();
        // Somebody else is asked for the token first; the vault's handshake needs none.
        self.http.expect(call.host);
        loop {
            let token = self.token(audience, deadline)?;
            let response = self.exchange(call, &token, deadline)?;
            if response.status == 200 {
                return Ok(response);
            }
            if response.status == 401 {
                let challenge = response.challenge.as_deref().unwrap_or_default();
                if let Some(foreign) = trust::foreign_resource(challenge, audience) {
                    return Err(untrusted(
                        call.host,
                        &format!("asks for a token of another service: {foreign}"),
                    ));
                }
                if self.renew(audience, deadline)? {
                    continue;
                }
            }
            let way = self.credential.way();
            let sent = [Some(token.as_ref()), call.body.as_ref()];
            let response = answer::without_echo(response, sent.into_iter().flatten());
            return Err(answer::refusal(&call.operation, call.host.host(), way, &response));
        }
    }

    /// One request with its retries; every final status is an answer here.
    fn exchange(
        &mut self,
        call: &Call<'_>,
        token: &Secret,
        deadline: &Deadline<'_>,
    ) -> Result<Response, Kind> {
        let host = call.host.host();
        let request = Request {
            method: call.method,
            service: Service::Vault(call.host),
            target: call.target,
            bearer: Some(token),
            body: call.body.as_ref(),
            limit: call.limit,
        };
        let policy = Policy {
            what: call.operation.asked(),
            who: short(host),
            try_timeout: TRY_TIMEOUT,
            floor: Duration::ZERO,
            random: self.random,
        };
        let gave_up = |unreachable| Kind::VaultUnreachable { vault: host.clone(), unreachable };
        retry(&policy, deadline, gave_up, |limit| match self.http.send_within(&request, limit) {
            Ok(response) if answer::is_transient(response.status) => {
                Verdict::Again(TransportProblem::Status(response.status), response.retry_after)
            }
            Ok(response) => Verdict::Done(response),
            Err(error) => {
                failed(error, |problem| Kind::VaultUntrusted { host: host.clone(), problem })
            }
        })
    }

    /// The token for `audience`: the cached one while it lives, else a new one.
    fn token(&mut self, audience: &Audience, deadline: &Deadline<'_>) -> Result<Rc<Secret>, Kind> {
        if let Some(token) = self.tokens.get(audience) {
            if token.expires.is_none_or(|end| deadline.now() < end) {
                return Ok(Rc::clone(&token.secret));
            }
        }
        let token = self.fetch_token(audience, deadline)?;
        let secret = Rc::clone(&token.secret);
        self.tokens.insert(audience.clone(), token);
        Ok(secret)
    }

    /// Replaces a refused token, once; false when there is no other to be had.
    fn renew(&mut self, audience: &Audience, deadline: &Deadline<'_>) -> Result<bool, Kind> {
        let refused = match self.tokens.get(audience) {
            Some(token) if token.renewed => return Ok(false),
            Some(token) => Rc::clone(&token.secret),
            None => return Ok(false),
        };
        let mut token = self.fetch_token(audience, deadline)?;
        token.renewed = true;
        // IMDS caches: the same token would only be refused again.
        let differs = token.secret.expose() != refused.expose();
        self.tokens.insert(audience.clone(), token);
        Ok(differs)
    }

    fn fetch_token(
        &mut self,
        audience: &Audience,
        deadline: &Deadline<'_>,
    ) -> Result<CachedToken, Kind> {
        let token = self.credential.token(&mut Exchange {
            http: self.http.as_mut(),
            audience,
            random: self.random,
            deadline,
        })?;
        // Dead when 5 minutes are left, as the SDKs have it; short-lived ones at half their life.
        let usable = |lifetime: Duration| {
            lifetime.saturating_sub(Duration::from_secs(300)).max(lifetime / 2)
        };
        Ok(CachedToken {
            secret: Rc::new(token.secret),
            expires: token.lifetime.map(|life| deadline.now().saturating_add(usable(life))),
            renewed: false,
        })
    }
}

impl fmt::Debug for Azure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Azure").field("way", &self.way()).finish_non_exhaustive()
    }
}

/// An answer that is not what the protocol says.
fn untrusted(host: &TrustedHost, reason: &str) -> Kind {
    Kind::VaultUntrusted {
        host: host.host().clone(),
        problem: TrustProblem::Answer(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests;
