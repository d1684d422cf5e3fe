//! The layer around every simulator: writes requests down and applies fault orders.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::server::HangUp;
use crate::{Action, Kit, clock};

const REQUEST_BYTES_MAX: usize = 64 << 20;

/// Control calls pass untouched; everything else is journaled and may go wrong. A request that was let in is carried out even if
/// the caller leaves: a vendor does not undo a change because nobody waited for the answer.
pub(crate) async fn observe(State(kit): State<Kit>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/__sim") {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let seq = kit.journal().open(&parts, &body, clock::now());
    let fault = kit.faults().take(parts.method.as_str(), parts.uri.path());
    let name = fault.as_ref().map(|action| action.name().to_owned());
    let request = Request::from_parts(parts, Body::from(body));
    let work = kit.detached(answer(request, next, fault, kit.clone(), seq, name));
    work.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn answer(
    request: Request,
    next: Next,
    fault: Option<Action>,
    kit: Kit,
    seq: u64,
    name: Option<String>,
) -> Response {
    let close = |status: Option<u16>| kit.journal().close(seq, status, name.clone());
    let response = match fault {
        None => next.run(request).await,
        Some(Action::Delay(pause)) => {
            tokio::time::sleep(pause).await;
            next.run(request).await
        }
        Some(Action::Answer { status, body, headers, after_apply }) => {
            if after_apply {
                drop(next.run(request).await);
            }
            ordered(status, body, &headers)
        }
        Some(Action::Html502) => (StatusCode::BAD_GATEWAY, Html(BAD_GATEWAY)).into_response(),
        Some(Action::TruncateBody) => halved(next.run(request).await, None).await,
        Some(Action::SlowBody(pause)) => halved(next.run(request).await, Some(pause)).await,
        Some(Action::DropConnection) => hang_up(),
        Some(Action::TimeoutBeforeApply(hold)) => {
            close(None);
            tokio::time::sleep(hold).await;
            hang_up()
        }
        Some(Action::TimeoutAfterApply(hold)) => {
            drop(next.run(request).await);
            close(None);
            tokio::time::sleep(hold).await;
            hang_up()
        }
    };
    let dropped = response.extensions().get::<HangUp>().is_some();
    close(Some(response.status().as_u16()).filter(|_| !dropped));
    response
}

const BAD_GATEWAY: &str =
    "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1><hr>proxy</body></html>";

fn hang_up() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(HangUp);
    response
}

fn ordered(status: u16, body: Option<Value>, headers: &serde_json::Map<String, Value>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match body {
        None | Some(Value::Null) => status.into_response(),
        Some(Value::String(text)) => (status, text).into_response(),
        Some(json) => (status, axum::Json(json)).into_response(),
    };
    for (name, value) in headers {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&text)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The same head, announcing the whole length; after the first half of the body a pause and the rest, or the end of the line.
async fn halved(response: Response, pause: Option<Duration>) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_BYTES_MAX).await else { return hang_up() };
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let (first, second) = (body.slice(..body.len() / 2), body.slice(body.len() / 2..));
    let first: Result<Bytes, std::io::Error> = Ok(first);
    let rest = async move {
        let pause = pause.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionReset))?;
        tokio::time::sleep(pause).await;
        Ok(second)
    };
    let pieces = stream::iter([first]).chain(stream::once(rest));
    Response::from_parts(parts, Body::from_stream(pieces))
}
