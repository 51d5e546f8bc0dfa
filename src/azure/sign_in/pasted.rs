//! An access token that somebody else got and handed over: in a file, or on standard input.
//!
//! Taken as it is, with a final newline, with `Bearer ` before it, or as the JSON that `az account
//! get-access-token` prints. It is good for one audience; a JWT says which.

use std::time::Duration;

use super::entra::is_token;
use super::ports::Ports;
use super::{az, jwt, service_principal, unavailable};
use crate::azure::auth::{Exchange, Token, TokenSource};
use crate::azure::way::Way;
use crate::error::Kind;
use crate::secret::Secret;

const WAY: Way = Way::Token;

/// The way, with what standard input gave: it gives it once.
#[derive(Debug, Default)]
pub struct Pasted {
    stdin: Option<Secret>,
}

impl Pasted {
    /// The token, if it is one for this audience that is still good.
    ///
    /// Errors: `SignInUnavailable`.
    pub fn token(
        &mut self,
        source: &TokenSource,
        ports: &mut Ports,
        exchange: &Exchange<'_>,
    ) -> Result<Token, Kind> {
        let now = (ports.now)();
        let (place, token) = match source {
            TokenSource::File(path) => {
                let content = service_principal::read(ports, WAY, path)?;
                (path.display().to_string(), parse(&content, now))
            }
            TokenSource::Stdin => {
                if self.stdin.is_none() {
                    let content = ports.files.stdin();
                    let fail = |reason| unavailable(WAY, format!("standard input: {reason}"));
                    self.stdin = Some(content.map_err(fail)?);
                }
                let token = self.stdin.as_ref().and_then(|content| parse(content, now));
                ("standard input".to_owned(), token)
            }
        };
        let fail = |reason: &str| unavailable(WAY, format!("{place}: {reason}"));
        let token = token.ok_or_else(|| fail("holds no access token"))?;
        let said = jwt::check(&token.secret, exchange.audience, now).map_err(|why| fail(&why))?;
        let lifetime = said.or(token.lifetime);
        if lifetime == Some(Duration::ZERO) {
            return Err(fail("it has expired"));
        }
        Ok(Token { secret: token.secret, lifetime })
    }
}

fn parse(content: &Secret, now: u64) -> Option<Token> {
    let text = content.expose().trim_ascii();
    if text.starts_with(b"{") {
        return az::parse(&Secret::new(text.to_vec()), now);
    }
    let bare = match text.split_at_checked(b"Bearer".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"Bearer") => rest.trim_ascii_start(),
        _ => text,
    };
    let secret = Secret::new(bare.to_vec());
    is_token(&secret).then_some(Token { secret, lifetime: None })
}
