//! Refusals in Entra's shape.

use serde_json::json;

use crate::{http::Response, random};

/// `{"error": …, "error_description": "AADSTS…: …", "error_codes": […]}`.
pub(super) fn of(status: u16, error: &str, code: u32, text: &str) -> Response {
    let (trace, correlation) = (random::guid(), random::guid());
    let stamp = "2026-01-01 00:00:00Z";
    Response::json(
        status,
        &json!({
            "error": error,
            "error_description": format!(
                "AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: \
                 {stamp}"
            ),
            "error_codes": [code],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        }),
    )
}

/// A parameter is not there.
pub(super) fn missing(name: &str) -> Response {
    let text = format!("The request body must contain the following parameter: '{name}'.");
    of(400, "invalid_request", 900_144, &text)
}
