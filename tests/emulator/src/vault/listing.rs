//! Lists cut into pages, with `nextLink` as Key Vault writes it.
//!
//! Pages may be short or empty and still have a next one ("Microsoft REST API Guidelines",
//! collections); the scenario says which. A skip token is opaque to clients: here it is the
//! number of the page and of its first item.

use base64::Engine;
use serde_json::{Map, Value, json};

use super::refusal;
use crate::{
    http::{Request, Response},
    rsa_ops::BASE64URL,
    scenario::ListEnd,
    world::LiveVault,
};

/// One page of `items`.
pub(super) fn page(
    vault: &LiveVault,
    request: &Request,
    items: &[Value],
) -> Result<Response, Response> {
    let paging = &vault.spec.paging;
    let maxresults = match request.query("maxresults").map(str::parse::<usize>) {
        None => 25,
        Some(Ok(number @ 1..=25)) => number,
        Some(_) => {
            return Err(refusal::bad_parameter("maxresults must be between 1 and 25"));
        }
    };
    let (number, first) = match request.query("$skiptoken") {
        None => (0, 0),
        Some(token) => {
            parse(token).ok_or_else(|| refusal::bad_parameter("The skip token is invalid."))?
        }
    };
    let wanted = paging.pages.get(number).copied().unwrap_or(maxresults);
    let end = items.len().min(first + wanted.min(maxresults));
    let values = items.get(first..end).unwrap_or_default();
    let mut body = Map::from_iter([("value".to_owned(), json!(values))]);
    if end < items.len() || paging.endless {
        let link = next_link(vault, request, maxresults, (number + 1, end));
        body.insert("nextLink".to_owned(), json!(link));
    } else if paging.end == ListEnd::Null {
        body.insert("nextLink".to_owned(), Value::Null);
    }
    Ok(Response::json(200, &json!(body)))
}

/// The port is written out even where it is 443; so it is in Azure's answers.
fn next_link(
    vault: &LiveVault,
    request: &Request,
    maxresults: usize,
    (number, first): (usize, usize),
) -> String {
    let token = BASE64URL.encode(format!("{number}.{first}"));
    let port = request.host().rsplit_once(':').map_or("443", |(_, port)| port);
    let host = vault.spec.paging.next_link_host.as_ref().unwrap_or(&vault.spec.host);
    let api_version = request.query("api-version").unwrap_or_default();
    format!(
        "https://{host}:{port}{}?api-version={api_version}&$skiptoken={token}\
         &maxresults={maxresults}",
        request.path
    )
}

fn parse(token: &str) -> Option<(usize, usize)> {
    let text = String::from_utf8(BASE64URL.decode(token).ok()?).ok()?;
    let (number, first) = text.split_once('.')?;
    Some((number.parse().ok()?, first.parse().ok()?))
}
