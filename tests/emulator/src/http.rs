//! HTTP/1.1 of the server side: reading requests, writing responses (RFC 9112).
//!
//! Only what clients of Azure send: bodies with Content-Length, persistent connections. Chunked
//! requests are refused with 411, heads above 64 KiB and bodies above 1 MiB with 431 and 413.

use std::io::{self, BufRead, Write};

use serde_json::Value;

const HEAD_LIMIT: usize = 64 * 1024;
const BODY_LIMIT: usize = 1024 * 1024;

/// One request as it came.
pub(crate) struct Request {
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) method: String,
    /// Path without query, percent-encoding kept.
    pub(crate) path: String,
    /// Decoded names and values in order; names may repeat.
    pub(crate) query: Vec<(String, String)>,
    /// Path and query as they were written.
    pub(crate) target: String,
}

/// One answer.
#[derive(Clone)]
pub(crate) struct Response {
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) status: u16,
}

/// Why no request came.
pub(crate) enum ReadError {
    /// Not HTTP, or more of it than allowed; answered with this status.
    Refused(u16, &'static str),
    /// The connection broke; nobody is left to be told how.
    Broken,
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

impl Request {
    /// Stands in the log for bytes that were no request.
    pub(crate) fn unreadable() -> Self {
        Self {
            body: Vec::new(),
            headers: Vec::new(),
            method: String::new(),
            path: String::new(),
            query: Vec::new(),
            target: String::new(),
        }
    }

    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value.as_str()))
    }

    /// The first query value of this name.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let mut query = self.query.iter();
        query.find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }

    /// The Host header, with its port.
    pub(crate) fn host(&self) -> &str {
        self.header("host").unwrap_or_default()
    }

    /// Whether the client wants the connection closed after the answer.
    pub(crate) fn wants_close(&self) -> bool {
        let connection = self.header("connection").unwrap_or_default();
        connection.to_ascii_lowercase().contains("close")
    }
}

impl Response {
    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json; charset=utf-8", body.to_string())
    }

    /// An answer of any type.
    pub(crate) fn text(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            status,
        }
    }

    /// With one more header.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Head and body as bytes; the length is the body's.
    pub(crate) fn to_bytes(&self, close: bool) -> Vec<u8> {
        let mut bytes =
            format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status)).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if close {
            bytes.extend_from_slice(b"Connection: close\r\n");
        }
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", self.body.len()).as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Reads one request; `None` when the client closed between requests.
pub(crate) fn read_request<S: BufRead + Write>(
    stream: &mut S,
) -> Result<Option<Request>, ReadError> {
    let Some(head) = read_head(stream)? else {
        return Ok(None);
    };
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut parsed = httparse::Request::new(&mut headers);
    let malformed = ReadError::Refused(400, "malformed request");
    if !matches!(parsed.parse(&head), Ok(httparse::Status::Complete(_))) {
        return Err(malformed);
    }
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(malformed);
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        body: Vec::new(),
        headers: Vec::new(),
        method: method.to_owned(),
        path: path.to_owned(),
        query: parse_query(query),
        target: target.to_owned(),
    };
    for header in parsed.headers.iter() {
        let value = String::from_utf8_lossy(header.value).trim().to_owned();
        request.headers.push((header.name.to_owned(), value));
    }
    request.body = read_body(stream, &request)?;
    Ok(Some(request))
}

fn read_head<S: BufRead>(stream: &mut S) -> Result<Option<Vec<u8>>, ReadError> {
    let mut head = Vec::new();
    loop {
        let line_start = head.len();
        let limit = (HEAD_LIMIT - line_start) as u64;
        let count = io::Read::take(&mut *stream, limit).read_until(b'\n', &mut head)?;
        if count == 0 && head.is_empty() {
            return Ok(None);
        }
        if head.len() >= HEAD_LIMIT {
            return Err(ReadError::Refused(431, "request head too large"));
        }
        if !head.ends_with(b"\n") {
            return Err(ReadError::Broken);
        }
        let line = head.get(line_start..).unwrap_or_default();
        if line == b"\r\n" || line == b"\n" {
            return Ok(Some(head));
        }
    }
}

fn read_body<S: BufRead + Write>(stream: &mut S, request: &Request) -> Result<Vec<u8>, ReadError> {
    if request.header("transfer-encoding").is_some() {
        return Err(ReadError::Refused(411, "chunked requests are not emulated"));
    }
    let Some(length) = request.header("content-length") else {
        return Ok(Vec::new());
    };
    let Ok(length) = length.parse::<usize>() else {
        return Err(ReadError::Refused(400, "malformed Content-Length"));
    };
    if length > BODY_LIMIT {
        return Err(ReadError::Refused(413, "request body too large"));
    }
    if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        stream.flush()?;
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// Decodes a query or a form.
pub(crate) fn parse_query(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(name, true), percent_decode(value, true))
        })
        .collect()
}

/// Decodes `%41`, and `+` as a blank in queries; malformed sequences stay as they are.
pub(crate) fn percent_decode(text: &str, plus_is_blank: bool) -> String {
    let mut bytes = text.as_bytes().iter();
    let mut decoded = Vec::new();
    while let Some(&byte) = bytes.next() {
        let rest = bytes.as_slice();
        let hex = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let value = hex.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, value) {
            (b'%', Some(value)) => {
                decoded.push(value);
                bytes.nth(1);
            }
            (b'+', _) if plus_is_blank => decoded.push(b' '),
            _ => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Emulated",
    }
}
