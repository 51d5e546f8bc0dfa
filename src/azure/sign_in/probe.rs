//! Whether there is a metadata service to ask for a managed identity; used in the default order.
//!
//! Away from Azure 169.254.169.254 is either nobody or another cloud's service. Nobody must cost
//! two seconds and not the whole deadline; "it works on a VM" must stay true during an update of
//! the service, so "busy" counts as being there.

use std::time::Duration;

use serde::Deserialize;

use crate::azure::auth::Exchange;
use crate::azure::http::{Method, Request, Service};

/// IMDS answers this from memory.
const LIMIT: Duration = Duration::from_secs(2);
const ANSWER_LIMIT: usize = 16 * 1024;

/// Asks once.
///
/// Errors: the reason why there is none.
pub fn metadata_service(exchange: &mut Exchange<'_>) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Versions {
        #[serde(rename = "apiVersions")]
        _versions: Vec<String>,
    }
    let request = Request {
        method: Method::Get,
        service: Service::Metadata,
        target: "/metadata/versions",
        bearer: None,
        body: None,
        limit: ANSWER_LIMIT,
    };
    let limit = LIMIT.min(exchange.deadline.remaining());
    if limit.is_zero() {
        return Err("no time left to ask".to_owned());
    }
    let Ok(answer) = exchange.http.send(&request, limit) else {
        return Err("no metadata service here; not an Azure VM".to_owned());
    };
    let known = || serde_json::from_slice::<Versions>(answer.body.expose()).is_ok();
    match answer.status {
        200 if known() => Ok(()),
        410 | 429 | 500..=599 => Ok(()),
        status => Err(format!("HTTP {status} from a metadata service that is not Azure's")),
    }
}
