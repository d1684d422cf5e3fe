//! What is asked of a vendor.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use url::Url;

/// Deadline of a request that names none.
const DEADLINE: Duration = Duration::from_secs(10);

/// One call. Printed as method, host and operation only.
#[derive(Clone)]
pub struct Request {
    /// HTTP method.
    pub method: Method,
    /// Where to; http or https, without credentials.
    pub url: Url,
    /// Headers; a repeated name is sent repeatedly.
    pub headers: Vec<(HeaderName, Header)>,
    /// What is sent along.
    pub body: Body,
    /// Time for the whole exchange, waiting for a place and reading the answer included.
    pub deadline: Duration,
    /// What it is, for spans and metrics, for example `create_envelope`; one of a small fixed set.
    pub operation: &'static str,
    /// Redirects followed at most; only GET and HEAD follow any.
    pub follow_redirects: u8,
}

/// A header's value.
#[derive(Clone)]
pub enum Header {
    /// May be seen.
    Plain(HeaderValue),
    /// Must not be seen, and never leaves the origin it is meant for.
    Secret(SecretString),
}

/// What is sent along.
#[derive(Clone)]
pub enum Body {
    /// Nothing.
    Empty,
    /// Bytes as they are.
    Bytes {
        /// Value of `Content-Type`.
        content_type: String,
        /// The bytes.
        bytes: Bytes,
    },
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    /// `multipart/form-data`.
    Multipart(Vec<Part>),
}

/// One part of a multipart body.
#[derive(Clone)]
pub struct Part {
    /// Name of the field.
    pub name: String,
    /// File name, for a file.
    pub file_name: Option<String>,
    /// Content type, where it matters.
    pub content_type: Option<String>,
    /// The bytes.
    pub bytes: Bytes,
}

impl Request {
    /// A request without body, headers and redirects, with 10 seconds.
    pub fn new(method: Method, url: Url, operation: &'static str) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: Body::Empty,
            deadline: DEADLINE,
            operation,
            follow_redirects: 0,
        }
    }

    /// A GET.
    pub fn get(url: Url, operation: &'static str) -> Self {
        Self::new(Method::GET, url, operation)
    }

    /// A DELETE.
    pub fn delete(url: Url, operation: &'static str) -> Self {
        Self::new(Method::DELETE, url, operation)
    }

    /// A POST without body.
    pub fn post(url: Url, operation: &'static str) -> Self {
        Self::new(Method::POST, url, operation)
    }

    /// A POST with a JSON body.
    ///
    /// # Panics
    /// If the value has no JSON form (a map with keys that are no text), which our wire types all have.
    pub fn post_json(url: Url, operation: &'static str, value: &impl Serialize) -> Self {
        Self::new(Method::POST, url, operation).json(value)
    }

    /// A PATCH with a JSON body.
    ///
    /// # Panics
    /// As [`Request::post_json`].
    pub fn patch_json(url: Url, operation: &'static str, value: &impl Serialize) -> Self {
        Self::new(Method::PATCH, url, operation).json(value)
    }

    /// A POST of a form.
    pub fn post_form(url: Url, operation: &'static str, fields: Vec<(String, String)>) -> Self {
        Self { body: Body::Form(fields), ..Self::new(Method::POST, url, operation) }
    }

    /// A POST of several parts.
    pub fn post_multipart(url: Url, operation: &'static str, parts: Vec<Part>) -> Self {
        Self { body: Body::Multipart(parts), ..Self::new(Method::POST, url, operation) }
    }

    /// With a JSON body.
    ///
    /// # Panics
    /// As [`Request::post_json`].
    pub fn json(mut self, value: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(value).expect("invariant: wire types have a JSON form");
        self.body = Body::Bytes { content_type: "application/json".to_owned(), bytes: bytes.into() };
        self
    }

    /// With a body of bytes.
    pub fn bytes(mut self, content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        self.body = Body::Bytes { content_type: content_type.into(), bytes: bytes.into() };
        self
    }

    /// With `Authorization: Bearer …`.
    pub fn bearer(self, token: &SecretString) -> Self {
        let value = SecretString::from(format!("Bearer {}", token.expose_secret()));
        self.secret_header(AUTHORIZATION, value)
    }

    /// With a header that may be seen.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, Header::Plain(value)));
        self
    }

    /// With a header that must not be seen.
    pub fn secret_header(mut self, name: HeaderName, value: SecretString) -> Self {
        self.headers.push((name, Header::Secret(value)));
        self
    }

    /// With this much time.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Following at most so many redirects.
    pub fn follow_redirects(mut self, redirects_max: u8) -> Self {
        self.follow_redirects = redirects_max;
        self
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.url.host_str())
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Header(redacted)")
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Body::Empty => "Body(empty)",
            Body::Bytes { .. } => "Body(bytes)",
            Body::Form(_) => "Body(form)",
            Body::Multipart(_) => "Body(multipart)",
        })
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}
