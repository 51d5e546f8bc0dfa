//! The two documents that MSAL reads before it asks for a token.

use serde_json::json;

use crate::{http::Response, world::World};

/// Where the endpoints of a tenant are.
pub(super) fn configuration(world: &World, tenant: &str) -> Response {
    let host = world.entra.as_ref().map_or("", |entra| &entra.spec.host);
    let base = format!("https://{host}/{tenant}");
    Response::json(
        200,
        &json!({
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
            "issuer": format!("{base}/v2.0"),
            "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        }),
    )
}

/// Names one and the same host goes by: here, one.
pub(super) fn instances(world: &World) -> Response {
    let host = world.entra.as_ref().map_or("", |entra| &entra.spec.host);
    let endpoint = format!("https://{host}/common/v2.0/.well-known/openid-configuration");
    let metadata = json!([
        {"preferred_network": host, "preferred_cache": host, "aliases": [host]},
    ]);
    Response::json(
        200,
        &json!({
            "tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": metadata,
        }),
    )
}
